"""`python scripts/report.py` is `lightning-nas report`."""

import sys

from lightning_nas.cli import main

if __name__ == "__main__":
    main(["report", *sys.argv[1:]])
