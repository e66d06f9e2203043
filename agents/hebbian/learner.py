"""Reward-modulated Hebbian learning in rate networks (Miconi 2017), and node perturbation.

Trials of the task's types follow each other in a fixed order. In a trial each unit is perturbed
now and then, and each synapse keeps what its input and the fluctuation of its unit had to do with
each other, ``e_ij = Σ_t (r_j(t−1) (x_i(t) − x̄_i(t−1)))³``, where x̄ is a running mean of the
potential. After the trial the error E tells what that was worth, ``ΔW_ij = −η Ē e_ij (E − Ē)``,
clipped, where Ē is the mean error of earlier trials of that type. The cube lets short strong
fluctuations count, which are perturbations, and not the slow relaxation after them, which without
it cancels them. Node perturbation (Fiete & Seung 2006) takes ``e_ij = Σ_t r_j(t−1) ξ_i(t)``.

``(r Δx)³ = r³ Δx³``, so what the synapses keep of a trial is one product of two matrices.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from prefrontal.agents.base import Job, section
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.memory import require_training
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.hebbian.config import HebbianConfig, RateNetworkConfig
from prefrontal.agents.hebbian.network import (
    CONSTANT,
    Networks,
    biased,
    initial,
    initial_weights,
    parameters,
)
from prefrontal.agents.rollout.environments import make_envs

TYPES = 16  # of trials at most, each with a mean error of its own
QUIET = 4  # first steps without perturbations,
SETTLING = 3  # and those in which synapses keep nothing, as in the published code


def make_learner(job: Job, members: Sequence[int]) -> Hebbian:
    """Make a learner for some members of a job.

    Raises:
        ConfigError: As `check`.
    """
    check(job)
    return Hebbian(job, members)


def check(job: Job) -> str:
    """Check that a job can be trained; there is nothing to say of it.

    Raises:
        ConfigError: Device, environment or numbers are not what this learner needs.
    """
    facts = job.facts
    if torch.device(job.device).type != "cpu":
        raise ConfigError(f"Hebbian learning computes on the CPU, not on {job.device}")
    if facts.discrete or facts.action_size != 1:
        raise ConfigError(
            f"environment {job.environment.id!r} has other actions than Hebbian learning needs: "
            "one number, the rate of a unit"
        )
    if len(facts.steps) > 1 or job.num_envs != 1:
        raise ConfigError("Hebbian learning needs --num-envs 1 and no stages: it learns by trial")
    envs = make_envs(job.environment, [0], 1, discrete=False)
    trial_types(envs)
    envs.close()
    network = cast(RateNetworkConfig, job.network)
    weights, played = parameters(network, facts.input_size), facts.longest * 6 * network.units
    require_training(job.members, weights, played, job.snapshots)
    return ""


def trial_types(envs: Any) -> dict[str, Tensor]:
    """Return the parameters of every type of trial of a task, in their order, ``[K, ...]`` by name.

    Raises:
        ConfigError: The task has too many types, pays more than nothing, or is not one of
            `prefrontal.envs.Task`.
    """
    task = getattr(envs, "task", None)
    if task is None or task.reward_range[1] > 0:
        raise ConfigError(
            "Hebbian learning needs a task of prefrontal.envs whose rewards are minus an error: "
            "none is above 0"
        )
    drawn = task.sample(64 * TYPES, envs.split, torch.Generator().manual_seed(0))
    rows = torch.cat([value.reshape(len(value), -1).double() for value in drawn.values()], 1)
    different, which = rows.unique(dim=0, return_inverse=True)
    if len(different) > TYPES:
        raise ConfigError(
            f"Hebbian learning keeps a mean error for each type of trial, {TYPES} at most, and "
            f"{type(task).__name__} has {len(different)} or more"
        )
    first = [int((which == kind).nonzero()[0]) for kind in range(len(different))]
    return {name: value[first] for name, value in drawn.items()}


class Hebbian:
    """P members, each with a network and a trial at a time; an update is a trial.

    Args:
        job: What to learn.
        members: Identities of the members.

    Attributes:
        weights: See `network`, ``[P, N + I, N]``; those of inputs do not change.
        mean_error: Ē of each type of trial, ``[P, K]``.
        steps: Environment steps made so far, ``[P]`` float64.
    """

    def __init__(self, job: Job, members: Sequence[int]) -> None:
        self.config = cast(HebbianConfig, job.algorithm)
        self.network = cast(RateNetworkConfig, job.network)
        self.envs = make_envs(job.environment, members, 1, discrete=False)
        self.types = trial_types(self.envs)
        self.count, self.time = len(members), int(self.envs.steps)
        inputs = job.facts.input_size
        flat = initial_weights(self.network, inputs, members, job.seed)
        self.weights = flat.view(self.count, -1, self.network.units)
        self.generators = [generator(job.seed, member, "actions") for member in members]
        self.envs.reset(seed=job.seed)
        self.mean_error = torch.zeros(self.count, len(next(iter(self.types.values()))))
        self.steps = torch.zeros(self.count, dtype=torch.float64)
        self.played = Networks(self.network, inputs, self.count, 1, self.time)
        # BUFFERS: what reaches the units from outside, and their fluctuations
        self._outside = torch.empty(self.time, self.count, 1, self.network.units)
        self._given = self._outside.unbind(0)
        self._change = torch.empty(self.time, self.count, self.network.units)

    def update(self) -> dict[str, Tensor]:
        """Play the next trial and learn from it; return its `return`, minus the error."""
        trial = round(self.steps[0].item() / self.time)
        kind = trial % self.mean_error.shape[1]
        self._perturb()
        task = {name: value[[kind] * self.count] for name, value in self.types.items()}
        seen, _ = self.envs.reset(options={"task": task})
        start = initial(self.network, 1, self.generators)
        rewards = self.played.play(self.envs, seen, self.weights, start, self._given)
        error = -rewards.sum(0)
        mean = self.mean_error[:, kind].clone()
        if trial > self.config.learning_starts:
            self._learn(mean, error - mean)
        self.mean_error[:, kind] = torch.lerp(error, mean, self.config.error_average)
        self.steps += self.time
        return {"return": -error.double()}

    def _perturb(self) -> None:
        """Draw the perturbations of a trial into the buffer of what comes from outside."""
        config, size = self.config, self.time * self.network.units
        self._outside.zero_()
        for row, chance in zip(self._outside.unbind(1), self.generators, strict=True):
            at = events(size, config.probability, chance)
            values = (2 * torch.rand(len(at), generator=chance) - 1) * config.amplitude
            row[at // self.network.units, 0, at % self.network.units] = values
        self._outside[:QUIET] = 0.0
        biased(self._outside)

    def _learn(self, mean: Tensor, surprise: Tensor) -> None:
        """Change the weights after a trial: see `change`."""
        units, config = self.network.units, self.config
        rates = self.played.sent[:-1, :, 0, :units]
        if config.rule == "hebbian":
            potential = self.played.potential[:, :, 0]
            moved = fluctuations(potential, config.average, self._change)
            kept = eligibility(rates, moved, config.exponent)
        else:
            kept = eligibility(rates, self._outside[:, :, 0], 1)
        kept[..., CONSTANT] = 0.0
        self.weights[:, :units] += change(kept, mean, surprise, config)

    # EXACT STATE

    def state(self) -> dict[str, Tensor]:
        """Return all that training needs to go on exactly; first dimension: the member."""
        return {
            "weights": self.weights.flatten(1).clone(),
            "steps": self.steps.clone(),
            "mean_error": self.mean_error.clone(),
            "generators": generator_states(self.generators),
            **{f"envs.{name}": value for name, value in self.envs.random_state().items()},
        }

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.weights = state["weights"].clone().view(self.weights.shape)
        self.steps, self.mean_error = state["steps"].clone(), state["mean_error"].clone()
        set_generator_states(self.generators, state["generators"])
        self.envs.set_random_state(section(state, "envs"))

    def close(self) -> None:
        """Close the environment."""
        self.envs.close()


def events(size: int, probability: float, chance: torch.Generator) -> Tensor:
    """Return which of `size` independent events happen, in order.

    The gaps between them are geometric, so that only those that happen are drawn; they are drawn
    for ten standard deviations more than happen on average.
    """
    mean = size * probability
    drawn = torch.rand(int(mean + 10 * mean**0.5 + 20), generator=chance, dtype=torch.float64)
    if probability == 1:
        return torch.arange(size)
    gaps = (torch.log1p(-drawn) / math.log1p(-probability)).floor().long()
    at = (gaps + 1).cumsum(0) - 1
    return at[at < size]


def fluctuations(potential: Tensor, average: float, out: Tensor) -> Tensor:
    """Return how potentials differ from their running mean, and nothing while they settle.

    The running mean is ``x̄(t) = a x̄(t−1) + (1 − a) x(t)``, from x̄(0) = x(0) on. So the difference
    ``d(t) = x(t) − x̄(t−1)`` is ``x(t) − x(t−1) + a d(t−1)``.

    Args:
        potential: ``[T + 1, P, N]``.
        average: Share a of the past.
        out: Where to write, ``[T, P, N]``; returned.
    """
    torch.sub(potential[1:], potential[:-1], out=out)
    steps = out.unbind(0)
    for before, now in itertools.pairwise(steps):
        now.add_(before, alpha=average)
    out[:SETTLING] = 0.0
    return out


def eligibility(rates: Tensor, moved: Tensor, exponent: int) -> Tensor:
    """Return ``Σ_t (r_j(t) m_i(t))^k``, ``[P, N, N]`` from j (rows) to i (columns).

    Args:
        rates: What arrives, ``[T, P, N]``.
        moved: What the units do, ``[T, P, N]``.
        exponent: k.
    """
    if exponent != 1:
        rates, moved = rates**exponent, moved**exponent
    return torch.bmm(rates.permute(1, 2, 0), moved.transpose(0, 1))


def change(kept: Tensor, mean: Tensor, surprise: Tensor, config: HebbianConfig) -> Tensor:
    """Return ``−η Ē e (E − Ē)``, clipped.

    Args:
        kept: Eligibility e, ``[P, N, N]``.
        mean: Mean error Ē of the trial type, ``[P]``.
        surprise: E − Ē, ``[P]``.
        config: Step size and bound.
    """
    factor = (-config.learning_rate * mean * surprise).view(-1, 1, 1)
    return (kept * factor).clamp_(-config.largest_change, config.largest_change)
