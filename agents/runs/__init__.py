"""Run folders on disk: configuration, learning curves and checkpoints.

They are written so that a run that is killed at any moment goes on exactly.
"""
