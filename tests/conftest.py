"""What holds for all tests."""

import os

# Before any library counts the processors: threads of tests side by side, waiting for each other's
# turn, took most of the time. Tests of threads ask for theirs.
os.environ.setdefault("OMP_NUM_THREADS", "1")
