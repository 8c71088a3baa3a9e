"""The command line: parses arguments, calls the same functions as the web surface."""
