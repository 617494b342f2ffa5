"""`python -m tapgen`."""

import sys

from tapgen.cli import main

if __name__ == "__main__":
    sys.exit(main())
