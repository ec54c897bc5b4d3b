"""`python scripts/predict.py` is `lightning-nas predict`."""

import sys

from lightning_nas.cli import main

if __name__ == "__main__":
    main(["predict", *sys.argv[1:]])
