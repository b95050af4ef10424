"""`python -m infra.cli`: the same as `gulou`."""

from infra.cli.main import main

main()
