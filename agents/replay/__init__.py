"""Replay buffers for populations: single steps or whole trajectories of P members.

`buffer` has the base class and `TransitionBuffer`; `trajectories` has `TrajectoryBuffer`, for
recurrent agents. Rows are drawn uniformly or by priority (`priorities`), and a buffer keeps the
newest rows or a uniform sample of all rows (a reservoir). `store` holds the memory: tensors
``[P, capacity, ...]``, allocated once, described by a list of `Field`.
"""
