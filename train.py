"""The same as ``prefrontal train``: ``python train.py wang2016-bandit --members 8 --seed 1``."""

import sys

from prefrontal.command import guarded, train

if __name__ == "__main__":
    sys.exit(guarded(train, sys.argv[1:]))
