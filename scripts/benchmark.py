"""`python scripts/benchmark.py` is `lightning-nas benchmark`."""

import sys

from lightning_nas.cli import main

if __name__ == "__main__":
    main(["benchmark", *sys.argv[1:]])
