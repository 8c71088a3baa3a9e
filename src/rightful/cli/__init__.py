"""The command line: parses arguments, calls the same functions as the web surface."""


def main() -> None:
    """Run the command line."""
