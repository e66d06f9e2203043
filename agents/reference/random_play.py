"""The random policy in any environment, which agents are held against where no other is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.common.policies import random_actions
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.rollout.blame import blame
from prefrontal.agents.rollout.rollout import NOT_FACTS


class RandomPlayers:
    """Players that draw every action from the uniform distribution, in place of trained agents.

    Args:
        members: Identities of the members, whose tasks they play.
    """

    def __init__(self, members: Sequence[int]) -> None:
        self.members = list(members)

    def record(
        self, envs: Any, batches: int, *, seed: int, **unused: Any
    ) -> list[dict[str, np.ndarray]]:
        """Play and record batches of episodes; see `prefrontal.agents.base.Trained.record`.

        Args:
            envs: Vector environment of tensors, with rows blocked by member, seeded.
            batches: How many batches.
            seed: Seed of the actions; tasks and noise are those of `envs`.
            **unused: What trained agents need to know.

        Returns:
            Of each batch ``action``, ``reward``, the facts of the environment, ``regret`` where
            they tell it, and ``mask`` where episodes may end early: ``[P, B, T, ...]``.
        """
        streams = [generator(seed, member, "evaluation") for member in self.members]
        try:
            return [self._episode(envs, streams) for _ in range(batches)]
        except Exception as error:
            blame(envs, error)
            raise

    def _episode(self, envs: Any, streams: Sequence[torch.Generator]) -> dict[str, np.ndarray]:
        rows = envs.num_envs // len(self.members)
        _, info = envs.reset()
        task, alive = info.get("task", {}), torch.ones(envs.num_envs, dtype=torch.bool)
        played: list[dict[str, Tensor]] = []
        while len(played) < int(envs.steps) and bool(alive.any()):
            draws = [random_actions(envs.single_action_space, rows, stream) for stream in streams]
            actions = torch.cat(draws)
            if "action_mask" in info:  # uniform among those that are available
                allowed = info["action_mask"].float().unflatten(0, (len(streams), rows))
                drawn = zip(allowed, streams, strict=True)
                actions = torch.cat([torch.multinomial(a, 1, generator=g) for a, g in drawn])[:, 0]
            _, reward, ended, cut, info = envs.step(actions)
            step = {"action": actions, "reward": reward * alive}
            step |= {name: x for name, x in info.items() if name not in NOT_FACTS}
            if getattr(envs, "variable_length", False):
                step["mask"] = alive.float()
            elif "active" in info:
                step["mask"] = info["active"].float()
            played.append({name: x.clone() for name, x in step.items()})
            alive = alive & ~(ended | cut)
        record = {name: torch.stack([step[name] for step in played], 1) for name in played[0]}
        if {"optimal_reward", "expected_reward"} <= set(record):
            record["regret"] = record["optimal_reward"] - record["expected_reward"]
        record |= {f"task.{name}": value for name, value in task.items()}
        return {
            name: x.cpu().unflatten(0, (len(self.members), rows)).numpy().copy()
            for name, x in record.items()
        }
