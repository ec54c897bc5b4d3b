"""`python scripts/train.py` is `lightning-nas train`."""

import sys

from lightning_nas.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
