"""Findings on the two-step task.

Model-based behaviour that emerges from model-free learning, and the human task with the hybrid
model fitted to it.
"""
