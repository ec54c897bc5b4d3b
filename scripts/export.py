"""`python scripts/export.py` is `lightning-nas export`."""

import sys

from lightning_nas.cli import main

if __name__ == "__main__":
    main(["export", *sys.argv[1:]])
