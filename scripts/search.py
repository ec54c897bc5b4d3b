"""`python scripts/search.py` is `lightning-nas search`."""

import sys

from lightning_nas.cli import main

if __name__ == "__main__":
    main(["search", *sys.argv[1:]])
