"""The loop that trains a job in a run folder, over worker processes.

Beside it: what learning curves tell of failures.
"""
