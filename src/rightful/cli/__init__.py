"""The command line: parses arguments, calls the same functions as the web surface. One module for each family of commands."""

from rightful.cli.application import main

__all__ = ["main"]
