"""A2C with the settings of a shipped experiment."""

from __future__ import annotations

import os
from collections.abc import Iterator


def play(
    members: int, num_envs: int, experiment: str, condition: str, kernel: str = "compiled"
) -> Iterator[int]:
    """Train `members` agents side by side; see `benchmarks.peers`.

    Args:
        members: Agents P.
        num_envs: Episodes per member and update; 0: as many as the experiment has.
        experiment: Its name.
        condition: One of its conditions.
        kernel: "compiled" for the compiled LSTM, "torch" for the plain core in PyTorch.
    """
    os.environ["PREFRONTAL_KERNEL"] = kernel
    from dataclasses import replace

    import torch

    from prefrontal.agents.a2c.learner import make_learner
    from prefrontal.experiments.experiment import find_experiment

    torch.set_num_threads(1)
    settings = find_experiment(experiment).conditions[condition]
    job = replace(settings.job(0), members=members, total_steps=10**9)
    job = replace(job, num_envs=num_envs or job.num_envs)
    learner = make_learner(job, range(members))
    steps = job.facts.steps[0] * job.num_envs * members
    while True:
        learner.update()
        yield steps
