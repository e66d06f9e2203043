"""Agents trained by recurrent Q-learning: they act greedily, or ε-greedily if asked to."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.base import Algorithm, Job
from prefrontal.agents.population import Agent, Population
from prefrontal.agents.population import meta as actor_critic_meta
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.r2d2.learner import ExploringRollout, exploration_noise, make_learner
from prefrontal.agents.r2d2.targets import dueling

KIND = "recurrent-q"
EXPLORATION = 0.05  # ε where actions are not deterministic (Mnih et al. 2015, evaluation)


def make_population(job: Job, weights: Tensor) -> QPopulation:
    """Make the agents of a job with these weights ``[P, n]``."""
    return QPopulation.of(job, weights)


def meta(job: Job) -> dict[str, Any]:
    """Return what loading the agents of a job needs besides the weights."""
    return actor_critic_meta(job) | {"kind": KIND}


class QPopulation(Population):
    """P independent Q-agents; arguments as of `Population`.

    By default they act greedily. Not deterministic, they take a random action with probability
    `EXPLORATION`. The value of a state is that of its best action.
    """

    KIND = KIND
    greedy = True

    def member(self, index: int) -> Any:
        """See `Members.member`."""
        return self.part([index], QAgent)

    def learn(
        self, total_steps: int, config: Algorithm | None = None, num_envs: int = 16
    ) -> dict[str, np.ndarray]:
        """Train all members on with recurrent Q-learning; see `Population.learn`."""
        return self._learn(make_learner, R2D2Config(), config, total_steps, num_envs)

    def noise(self, steps: int, batch: int, generator: torch.Generator) -> Tensor:
        """Return noise ``[T, K, B]``; the action is the largest sum of it and the advantages."""
        exploration = torch.full((batch,), EXPLORATION)
        return exploration_noise(exploration, steps, self.model.num_actions, generator)

    def rollout(self, envs: Any, generators: list[torch.Generator]) -> ExploringRollout:
        """Return how these agents play in an environment."""
        batch = envs.num_envs // len(self)
        rollout = ExploringRollout(envs, self.model, batch, generators, facts=True, learn=False)
        rollout.exploration = torch.full((len(self), batch), EXPLORATION)
        return rollout

    def judged(self, logits: Tensor, values: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """Return probabilities of actions ``[T, P, K, B]`` and values of states ``[T, P, B]``."""
        q = dueling(logits, values)
        epsilon = 0.0 if deterministic else EXPLORATION
        best = torch.zeros_like(q).scatter_(2, q.argmax(2, keepdim=True), 1.0)
        return (1 - epsilon) * best + epsilon / q.shape[2], q.amax(2)


class QAgent(QPopulation, Agent):
    """One Q-agent; see `Agent.predict`."""
