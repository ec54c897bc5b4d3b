"""One thread for each process: the tensors of tests are small, and threads that share busy cores wait for each other."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; commands that tests start inherit it
