"""`python -m rightful.cli` is the command `rightful`."""

import sys

from rightful.cli.application import main

if __name__ == "__main__":
    sys.exit(main())
