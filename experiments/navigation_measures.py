"""What the navigation experiments share: the same targets for all, measures at every gain, navigators to compare with.

Simulated navigators bracket the agents. All know the task and steer straight for the target; they differ in how they know
how far they have come. The *integrator* adds up the velocities that it sees, and steers by the gain it finds from them: as
good at any gain as the noise allows. The *efference copy* adds up its own commands as if the gain were 1: what an agent does
that has learned nothing of the gain ("no generalisation"). The *learner* weighs what it sees against its commands times the
gain as it estimates it so far (least squares, from a guess at first), each by its noise: best where it can see but badly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from analysis import navigation as nav
from envs.gym import TaskVectorEnv
from envs.navigation import FireflyNavigation
from envs.navigation_laws import DT, SPEEDS, UNIT
from experiments.evaluation import Evaluation, Record

__all__ = ["Summary", "common_tasks", "navigate", "summary", "sweep"]

NEAR = 45.0 / UNIT  # the simulated navigators stop when they believe to be so near
GUESS = (1.4, 0.5)  # gain that the learner expects at first, and how far it may be off


@dataclass(frozen=True)
class Summary:
    """Measures of each member at one gain, ``[M]``.

    Attributes:
        rewarded: Fraction of trials that were rewarded.
        rate: Rewards a second.
        radial: Mean signed distance between end and target, cm; the published "radial error".
        radius: Mean of the distance travelled less that of the target, cm.
        angular: Mean size of the error of direction, degrees.
        auc: Area under the curve of the reward-boundary sweep.
        td_error: Mean size of the critic's error of prediction (NaN where there is no critic).
        stretch: Path length over the straight way.
        curvature: Turning of the path, degrees a metre.
    """

    rewarded: np.ndarray
    rate: np.ndarray
    radial: np.ndarray
    radius: np.ndarray
    angular: np.ndarray
    auc: np.ndarray
    td_error: np.ndarray
    stretch: np.ndarray
    curvature: np.ndarray

    @classmethod
    def names(cls) -> list[str]:
        """Names of the measures."""
        return [field.name for field in fields(cls)]


def summary(record: Record) -> Summary:
    """All measures of a record of trials at one gain."""
    trials, paths = nav.ends_of_trials(record), nav.paths(record)
    td_error = nav.mean_size(record, "rpe") if "rpe" in record else np.full(len(trials.end), np.nan)
    return Summary(
        rewarded=nav.rewarded_fraction(trials),
        rate=nav.reward_rate(trials),
        radial=nav.radial_error(trials, "signed distance").mean(axis=(1, 2)),
        radius=nav.radial_error(trials).mean(axis=(1, 2)),
        angular=np.abs(nav.angular_error(trials)).mean(axis=(1, 2)),
        auc=nav.boundary_auc(trials),
        td_error=td_error,
        stretch=np.nanmean(paths.stretch, axis=1),
        curvature=np.nanmean(paths.curvature, axis=1),
    )


def common_tasks(
    count: int, seed: int, gain: float | None = None, split: str = "held_out", **task: Any
) -> dict[str, np.ndarray]:
    """Tasks that are the same for every member, condition and gain.

    Args:
        count: How many.
        seed: Seed of the targets (and of the pulses, where the task has them).
        gain: The gain; if None, gains are drawn by the split.
        split: Which gains, if they are drawn.
        **task: Fields of the task.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = FireflyNavigation(**task).sample(count, split, generator)
    tasks = {name: value.numpy() for name, value in drawn.items()}
    if gain is not None:
        tasks["gain"] = np.full(count, gain, dtype=np.float32)
    return tasks


def sweep(
    evaluation: Evaluation, condition: str, gains: tuple[float, ...], count: int, **task: Any
) -> dict[float, Summary]:
    """Measures of one condition at each gain, on the same targets.

    Args:
        evaluation: The trained populations.
        condition: Which of them.
        gains: At which gains.
        count: Trials of each member at each gain.
        **task: Fields of the task that differ from those of training.
    """
    return {
        gain: summary(
            evaluation.record(
                condition, tasks=common_tasks(count, evaluation.seed, gain, **task), **task
            )
        )
        for gain in gains
    }


def navigate(
    tasks: Mapping[str, np.ndarray],
    kind: Literal["integrator", "efference copy", "learner", "forgetful learner"],
    seed: int = 0,
    **task: Any,
) -> Record:
    """Let a simulated navigator play, and record what happened, ``[1, E, T]`` each.

    Args:
        tasks: Parameters of the tasks.
        kind: Which navigator. The forgetful learner forgets the gain whenever a target appears.
        seed: Seed of the noise.
        **task: Fields of the task.
    """
    rows = len(tasks["target"])
    env = TaskVectorEnv(
        FireflyNavigation(**task), rows, inputs=("action",), tensors=True, autoreset="disabled"
    )
    seen, _ = env.reset(seed=seed, options={"task": dict(tasks)})
    navigator = _Navigator(rows, kind, env.task)
    columns: dict[str, list[Tensor]] = {}
    for _ in range(env.steps):
        action = navigator(seen.double())
        seen, reward, _, _, info = env.step(action)
        navigator.forget(info["ended"] > 0)
        facts = {name: value for name, value in info.items() if name != "task"}
        for name, value in {**facts, "reward": reward}.items():
            columns.setdefault(name, []).append(value.clone())
    return {name: torch.stack(steps, dim=1)[None].numpy() for name, steps in columns.items()}


class _Navigator:
    """Believes to know its pose in the frame of the trial, and steers for the target."""

    def __init__(self, rows: int, kind: str, task: Any) -> None:
        self.kind = kind
        self.speeds = torch.tensor(SPEEDS, dtype=torch.float64)
        self.target = torch.zeros(rows, 2, dtype=torch.float64)
        self.place, self.heading = torch.zeros_like(self.target), self.target.new_zeros(rows)
        self.fresh = torch.ones(rows, dtype=torch.bool)
        # NOISE of what is commanded and of what is seen, in parts of the largest speed
        moved, seen = task.process_noise**2, task.observation_noise**2
        self.trust = moved / (moved + seen) if moved + seen else 1.0  # in what is seen
        # GAIN: sums of command times seen velocity and of command squared, begun with a guess
        guess, weight = (
            (1.0, 1.0) if kind == "integrator" else (GUESS[0], (moved + seen) / GUESS[1] ** 2)
        )
        self.guess = (guess * weight, weight)
        self.product, self.square = (self.target.new_full((rows,), one) for one in self.guess)

    def forget(self, ended: Tensor) -> None:
        """Begin with a new target where a trial ended."""
        self.fresh = ended

    def _velocity(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Believed velocity ``[n, 2]`` and gain ``[n]``."""
        flow, command = seen[:, :2], seen[:, 4:6]
        if self.kind == "efference copy":
            return command * self.speeds, torch.ones_like(self.heading)
        if self.kind == "forgetful learner":
            self.product = torch.where(self.fresh, self.guess[0], self.product)
            self.square = torch.where(self.fresh, self.guess[1], self.square)
        self.product = self.product + (command * flow / self.speeds).sum(1)
        self.square = self.square + command.square().sum(1)
        gain = (self.product / self.square).clamp(0.25, 8.0)
        if self.kind == "integrator":
            return flow, gain
        expected = gain.unsqueeze(1) * command * self.speeds
        return expected + self.trust * (flow - expected), gain

    def __call__(self, seen: Tensor) -> Tensor:
        velocity, gain = self._velocity(seen)
        fresh = self.fresh.unsqueeze(1)
        self.target = torch.where(fresh, seen[:, 2:4], self.target)
        self.place = torch.where(fresh, 0.0, self.place)
        self.heading = torch.where(self.fresh, 0.0, self.heading)  # to the left of +y
        # WHERE this step ends
        v, w = velocity.unbind(1)
        ahead = torch.stack([-self.heading.sin(), self.heading.cos()], dim=1)
        self.place = self.place + (v * DT).unsqueeze(1) * ahead
        self.heading = self.heading + w * DT
        way = self.target - self.place
        distance = way.norm(dim=1)
        bearing = torch.atan2(-way[:, 0], way[:, 1]) - self.heading
        bearing = torch.atan2(bearing.sin(), bearing.cos())
        # STEER, or stop
        reach = gain.unsqueeze(1) * self.speeds * DT
        forward = (distance * bearing.cos().clamp(min=0.2) / reach[:, 0]).clamp(0.15, 1.0)
        turn = (bearing / reach[:, 1]).clamp(-1.0, 1.0)
        action = torch.stack([forward, turn], dim=1)
        return torch.where((distance < NEAR).unsqueeze(1), 0.0, action).float()
