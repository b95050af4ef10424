"""`gulou`: the command line, a file a group of commands."""

from infra.cli.main import main

__all__ = ["main"]
