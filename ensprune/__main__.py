"""``python -m ensprune`` is the command ``ensprune``."""

import sys

from .cli.command import main

if __name__ == "__main__":
    sys.exit(main())
