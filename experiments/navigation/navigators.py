"""Simulated navigators to compare agents with.

All know the task and steer straight to where they believe the target is; they differ in how they
know how far they have come. The *integrator* adds up the velocities that it sees, steers by the
gain it finds from them, and stops 45 cm short of the believed target, within the reward zone. The
*efference copy* adds up its own commands as if the gain were 1. The *Bayesian* holds the exact
posterior over a grid of gains, by what it sees relative to its commands and by its spread, where
noise grows with the gain. Given the gain it holds the expected pose without its spread, and it
steers greedily: a reference, no optimum. Its prior is log-uniform on [.5, 4], or on the gains that
the task names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrontal.envs.gym import TaskVectorEnv
from prefrontal.envs.navigation import FireflyNavigation
from prefrontal.envs.navigation_laws import DT, GAINS, SPEEDS, UNIT
from prefrontal.experiments.evaluation import Record
from prefrontal.experiments.navigation.measures import Kind

NEAR = 45.0 / UNIT  # one without a notion of its own error stops when it believes to be so near
GRID = 41  # gains of the Bayesian's posterior
CERTAIN = (
    1e-4  # least variance of the noise that it reckons with, as its grid is not infinitely fine
)


def navigate(tasks: Mapping[str, np.ndarray], kind: Kind, seed: int = 0, **task: Any) -> Record:
    """Let a simulated navigator play, and record what happened, ``[1, E, T]`` each.

    Args:
        tasks: Parameters of the tasks.
        kind: Which navigator. The forgetful Bayesian forgets the gain whenever a target appears.
        seed: Seed of the noise.
        **task: Fields of the task.

    Raises:
        ValueError: If the Bayesian is to play at a gain that its prior excludes.
    """
    rows = len(tasks["target"])
    world = FireflyNavigation(**task)
    env = TaskVectorEnv(world, rows, inputs=("action",), tensors=True, autoreset="disabled")
    seen, _ = env.reset(seed=seed, options={"task": dict(tasks)})
    navigator: _Navigator
    if kind in ("Bayesian", "forgetful Bayesian"):
        navigator = _Bayesian(rows, kind, world)
        navigator.check(np.asarray(tasks["gain"]))
    else:
        navigator = _Simple(rows, kind)
    columns: dict[str, list[Tensor]] = {}
    for _ in range(env.steps):
        action = navigator(seen.double())
        seen, reward, _, _, info = env.step(action)
        navigator.fresh = info["ended"] > 0
        facts = {name: value for name, value in info.items() if name != "task"}
        for name, value in {**facts, "reward": reward}.items():
            columns.setdefault(name, []).append(value.clone())
    return {name: torch.stack(steps, dim=1)[None].numpy() for name, steps in columns.items()}


class _Navigator(ABC):
    """A navigator with G hypotheses of its velocity, a pose by each; it steers by their mean."""

    def __init__(self, rows: int, hypotheses: int) -> None:
        self.speeds = torch.tensor(SPEEDS, dtype=torch.float64)
        self.target = torch.zeros(rows, 2, dtype=torch.float64)
        self.place = torch.zeros(rows, hypotheses, 2, dtype=torch.float64)
        self.heading = torch.zeros(rows, hypotheses, dtype=torch.float64)  # to the left of +y
        self.fresh = torch.ones(rows, dtype=torch.bool)  # whose trial begins

    @abstractmethod
    def infer(self, flow: Tensor, command: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return velocity ``[n, G, 2]``, gain ``[n or 1, G]`` and probability ``[n, G]``.

        Args:
            flow: Velocity seen, ``[n, 1, 2]``.
            command: Action that led to it, ``[n, 1, 2]``.
        """

    @abstractmethod
    def stops(self, action: Tensor, gain: Tensor, weight: Tensor) -> Tensor:
        """Return who stops, ``[n]``, rather than go on by this action ``[n, 2]``."""

    def distance(self, place: Tensor, weight: Tensor) -> Tensor:
        """Return the expected distance of the target, ``[n]``."""
        return ((place - self.target.unsqueeze(1)).norm(dim=2) * weight).sum(1)

    def __call__(self, seen: Tensor) -> Tensor:
        """Return the action ``[n, 2]`` for the observation ``[n, 6]``."""
        velocity, gain, weight = self.infer(seen[:, None, :2], seen[:, None, 4:6])
        fresh = self.fresh.unsqueeze(1)
        self.target = torch.where(fresh, seen[:, 2:4], self.target)
        self.place = torch.where(fresh.unsqueeze(2), 0.0, self.place)
        self.heading = torch.where(fresh, 0.0, self.heading)
        # WHERE this step ends
        self.place = self.place + _way(velocity[..., 0], self.heading)
        self.heading = self.heading + velocity[..., 1] * DT
        way = self.target - (weight.unsqueeze(2) * self.place).sum(1)
        distance = way.norm(dim=1)
        bearing = torch.atan2(-way[:, 0], way[:, 1]) - (weight * self.heading).sum(1)
        bearing = torch.atan2(bearing.sin(), bearing.cos())
        # STEER, or stop
        reach = (weight * gain).sum(1, keepdim=True) * self.speeds * DT
        forward = (distance * bearing.cos().clamp(min=0.2) / reach[:, 0]).clamp(0.15, 1.0)
        turn = (bearing / reach[:, 1]).clamp(-1.0, 1.0)
        action = torch.stack([forward, turn], dim=1)
        stops = self.stops(action, gain, weight)
        return torch.where(stops.unsqueeze(1), 0.0, action).float()


def _way(speed: Tensor, heading: Tensor) -> Tensor:
    """Return the way of a step at such speeds and headings, ``[n, G, 2]``."""
    return (speed * DT).unsqueeze(2) * torch.stack([-heading.sin(), heading.cos()], dim=2)


class _Simple(_Navigator):
    """A navigator that believes either what it sees or what it commands."""

    def __init__(self, rows: int, kind: Kind) -> None:
        super().__init__(rows, hypotheses=1)
        self.sees = kind == "integrator"
        self.sure = torch.ones_like(self.heading)
        # GAIN: sums of command times seen velocity and of command squared, begun with a guess of 1
        self.product, self.square = self.sure, self.sure

    def infer(self, flow: Tensor, command: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not self.sees:
            return command * self.speeds, self.sure, self.sure
        self.product = self.product + (command * flow / self.speeds).sum(2)
        self.square = self.square + command.square().sum(2)
        return flow, (self.product / self.square).clamp(0.25, 8.0), self.sure

    def stops(self, action: Tensor, gain: Tensor, weight: Tensor) -> Tensor:
        return self.distance(self.place, weight) < NEAR


class _Bayesian(_Navigator):
    """A navigator that knows the laws, and all but the gain."""

    def __init__(self, rows: int, kind: Kind, task: FireflyNavigation) -> None:
        low, high = np.log2(GAINS)
        grid = torch.exp2(torch.linspace(low, high, GRID, dtype=torch.float64))
        if task.gains:
            grid = torch.tensor(task.gains, dtype=torch.float64)
        super().__init__(rows, len(grid))
        self.forgets = kind == "forgetful Bayesian"
        moved, saw = max(task.process_noise**2, CERTAIN), task.observation_noise**2
        self.trust = moved / (moved + saw)  # in what is seen
        self.gain = grid.unsqueeze(0)
        grows = self.gain if task.noise_scales_with_gain else torch.ones_like(self.gain)
        self.spread = (moved + saw) ** 0.5 * grows.unsqueeze(2) * self.speeds  # [1, G, 2]
        self.belief = torch.zeros_like(
            self.heading
        )  # logarithm of the posterior, but for a constant

    def check(self, gains: np.ndarray) -> None:
        """Raise ValueError for gains beyond the prior (up to single precision)."""
        low, high = float(self.gain.min()), float(self.gain.max())
        if gains.min() < low * (1 - 1e-6) or gains.max() > high * (1 + 1e-6):
            raise ValueError(
                f"the Bayesian navigator expects gains from {low:g} to {high:g}; "
                f"got {gains.min():g} to {gains.max():g}"
            )

    def infer(self, flow: Tensor, command: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.forgets:
            self.belief = torch.where(self.fresh.unsqueeze(1), 0.0, self.belief)
        meant = command * self.gain.unsqueeze(2) * self.speeds
        moving = (flow != 0.0).any(dim=2)  # not so as an episode begins
        fit = -((flow - meant) / self.spread).square() / 2.0 - self.spread.log()
        self.belief = self.belief + fit.sum(2) * moving
        # PRODUCT of two Gaussians: what was meant, and what is seen
        velocity = meant + self.trust * (flow - meant)
        return velocity * moving.unsqueeze(2), self.gain, self.belief.softmax(dim=1)

    def stops(self, action: Tensor, gain: Tensor, weight: Tensor) -> Tensor:
        """Return who is not expected to get nearer by the next step."""
        speed, turn = (action[:, None] * gain.unsqueeze(2) * self.speeds).unbind(2)
        after = self.place + _way(speed, self.heading + turn * DT / 2.0)
        return self.distance(self.place, weight) < self.distance(after, weight)
