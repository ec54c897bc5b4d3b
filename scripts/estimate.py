"""`python scripts/estimate.py` is `lightning-nas estimate`."""

import sys

from lightning_nas.cli import main

if __name__ == "__main__":
    main(["estimate", *sys.argv[1:]])
