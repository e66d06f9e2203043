"""Dynamics: where the activity of a network comes to rest, how fast, and how alike two are.

``fixed_points`` finds fixed and slow points of a step function and linearises it there;
``similarity`` compares the dynamics of two systems by their trajectories. Functions take a step
function from states ``[B, H]`` to the next ones, of any network at one input, or trajectories.
"""
