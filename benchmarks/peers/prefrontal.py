"""Ours: recurrent A2C of all members at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

from benchmarks.peers.common import BANDIT, HIDDEN, INPUTS


def play(
    members: int,
    num_envs: int,
    env_id: str = BANDIT,
    inputs: tuple[str, ...] = INPUTS,
    kernel: str = "compiled",
    rule: str = "bptt",
    **fields: Any,
) -> Iterator[int]:
    """Train `members` agents side by side; see `benchmarks.peers`.

    Args:
        members: Agents P.
        num_envs: Episodes per member and update.
        env_id: What to train on.
        inputs: What the agent is shown besides the observation.
        kernel: "compiled" for the compiled LSTM, "torch" for the plain core in PyTorch.
        rule: Learning rule, see `prefrontal.agents.rules.config`.
        **fields: Arguments of the environment.
    """
    os.environ["PREFRONTAL_KERNEL"] = kernel
    from prefrontal import envs  # noqa: F401 (registers the ids)
    from prefrontal.agents.a2c.config import A2CConfig
    from prefrontal.agents.a2c.learner import make_learner
    from prefrontal.agents.networks.config import NetworkConfig
    from prefrontal.agents.rollout.spec import EnvironmentSpec
    from prefrontal.agents.rules.config import RuleConfig
    from prefrontal.agents.training.loop import Job

    spec = EnvironmentSpec(env_id, inputs=inputs, kwargs=fields, split="all")
    job = Job(
        environment=spec,
        network=NetworkConfig(hidden_size=HIDDEN),
        algorithm=A2CConfig(rule=RuleConfig(name=cast(Any, rule))),
        members=members,
        num_envs=num_envs,
        total_steps=10**9,
        seed=0,
    )
    learner = make_learner(job, range(members))
    steps = job.facts.steps[0] * num_envs * members
    while True:
        learner.update()
        yield steps
