"""The same as ``prefrontal evaluate``: ``python evaluate.py pretrained/wang2016-bandit --json``."""

import sys

from prefrontal.command import evaluate, guarded

if __name__ == "__main__":
    sys.exit(guarded(evaluate, sys.argv[1:]))
