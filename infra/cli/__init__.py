"""`gulou`: the command line, one file per group of commands."""

from infra.cli.main import main

__all__ = ["main"]
