"""A trained agent as a model of the chooser: raw, or with a read-out of its own for each subject.

As they are, agents are nearly deterministic: one choice that they would never make costs more than
many good guesses gain, and on people's choices they do far worse than chance. A read-out adds how
strictly a subject follows the agent, and habits that have nothing to do with rewards.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.population import Population
from prefrontal.behaviour.agents.forcing import force
from prefrontal.behaviour.agents.showing import Showing
from prefrontal.behaviour.fits.fitted import FittedModel
from prefrontal.behaviour.fits.fitting import fit
from prefrontal.behaviour.models.model import Model, Parameter, State, Theta, Trial, log_softmax
from prefrontal.behaviour.models.rescorla_wagner import bias_of_arms, biases
from prefrontal.behaviour.table import Behaviour, Floats

FIRST, SECOND = "agent_{}", "agent2_{}"  # columns: the agent's preference for each arm


@dataclass(frozen=True)
class ReadOut(Model):
    """Choices that follow an agent's preferences, more or less (columns ``agent_0`` ...).

    ``p(a) ~ exp(beta l(a) + kappa rep(a) + b(a))``: ``l``, the agent's logits, from their largest;
    ``rep`` is 1 for the arm chosen last; no bias of the last arm. ``p(a2) ~ exp(beta2 l(a2))``.

    Attributes:
        name: Name of the agent.
        arms: Number of arms.
        two: Whether second choices are explained too.
    """

    name: str = "agent"
    arms: int = 2
    two: bool = False

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Inverse temperatures (1: as the agent is), perseveration, biases."""
        second = (Parameter("inverse_temperature_2", "positive", mean=-2.0),) * self.two
        first = Parameter("inverse_temperature", "positive", mean=-2.0)
        return first, *second, Parameter("perseveration"), *biases(self.arms)

    @property
    def explains(self) -> tuple[str, ...]:
        """The choice, and that of the second stage."""
        return ("choice", "choice2")[: 1 + self.two]

    @property
    def needs(self) -> tuple[str, ...]:
        """The agent's preferences."""
        names = (FIRST, SECOND)[: 1 + self.two]
        return tuple(one.format(arm) for one in names for arm in range(self.arms))

    def start(self, theta: Theta, behaviour: Behaviour) -> State:
        """There is no state: what the agent remembers is in its preferences."""
        return {}

    def log_policy(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """See the class."""
        preferences = theta["inverse_temperature"][..., None] * self._of(FIRST, trial)
        habit = theta["perseveration"][..., None] * trial.previous
        total = preferences + habit + bias_of_arms(theta, self.arms)
        return log_softmax(total, trial.available)

    def log_policy2(self, theta: Theta, state: State, trial: Trial) -> Tensor:
        """See the class."""
        return log_softmax(theta["inverse_temperature_2"][..., None] * self._of(SECOND, trial))

    def update(self, theta: Theta, state: State, trial: Trial) -> State:
        """Return the state that there is not."""
        return state

    def _of(self, names: str, trial: Trial) -> Tensor:
        return torch.stack([trial.columns[names.format(arm)] for arm in range(self.arms)], -1)


@dataclass(frozen=True)
class AgentModel:
    """One trained agent to be compared with models of the chooser: a fittable.

    Attributes:
        agent: A member of a population.
        name: What it is called.
        method: How the read-out is fitted, see `prefrontal.behaviour.fits.fitting`; ``raw``: there
            is none, choices follow the agent's own policy.
    """

    agent: Population
    name: str = "agent"
    method: Literal["raw", "ml", "map", "em", "pooled"] = "map"

    def __post_init__(self) -> None:
        """Check that it is one agent.

        Raises:
            ValueError: It is a population of several.
        """
        if len(self.agent) != 1:
            raise ValueError(f"take one member of the {len(self.agent)} agents, such as agents[0]")

    @property
    def explains(self) -> tuple[str, ...]:
        """The choice, and that of the second stage where its task has one."""
        return ("choice", "choice2")[: self.showing.stages]

    @cached_property
    def showing(self) -> Showing:
        """How its task shows trials."""
        return Showing.of(self.agent.environment)

    def fit(self, behaviour: Behaviour, seed: int = 0) -> FittedAgent:
        """Fit the read-out to the scored choices, if there is one.

        Warns in what the table is unlike the agent's task; notes say too if the agent does worse
        than chance on the choices it is fitted to.

        Raises:
            ConfigError: The agent cannot be shown recorded choices.
            ValueError: The table has more arms than its task, or lacks its second stage.
        """
        said = [f"{self.name}: {one}" for one in self.showing.differences(behaviour)]
        if self.method == "raw":
            fitted = FittedAgent(self, None)
        else:
            two = self._two(behaviour)
            model = ReadOut(self.name, behaviour.arms, two)
            table = self.with_preferences(behaviour)
            fitted = FittedAgent(self, fit(table, [model], self.method, seed)[self.name])
        for message in said:
            warnings.warn(message, stacklevel=2)
        said += below_chance(self.name, fitted.score(behaviour), behaviour)
        return replace(fitted, notes=tuple(said))

    def with_preferences(self, behaviour: Behaviour) -> Behaviour:
        """Return a table with the agent's preferences as columns; see `ReadOut`."""
        forced = force(self.agent, behaviour, showing=self.showing)
        columns = dict(behaviour.columns)
        for names, preference in ((FIRST, forced.preference), (SECOND, forced.preference2)):
            if preference is not None:
                own = np.nan_to_num(preference[0] - preference[0].max(-1, keepdims=True))
                columns |= {names.format(arm): own[..., arm] for arm in range(behaviour.arms)}
        return replace(behaviour, columns=columns)

    def _two(self, behaviour: Behaviour) -> bool:
        """Return whether second choices are scored, and the agent makes them."""
        scored = behaviour.scored2 is not None and bool(behaviour.scored2.any())
        return scored and self.showing.stages == 2


@dataclass(frozen=True)
class FittedAgent:
    """An agent, with the read-outs of the subjects it was fitted to.

    Attributes:
        model: The agent.
        read_out: Its read-outs; None: raw.
        notes: In what the trials are unlike its task, and whether it does worse than chance.
    """

    model: AgentModel
    read_out: FittedModel | None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the agent."""
        return self.model.name

    def score(self, behaviour: Behaviour) -> Floats:
        """Return log-probabilities of the scored choices ``[S, T]``, both stages together.

        Subjects that are not known have the read-out of the population. NaN where nothing is
        scored.
        """
        if self.read_out is None:
            return force(self.model.agent, behaviour, showing=self.model.showing).score(behaviour)[
                0
            ]
        return self.read_out.score(self.model.with_preferences(behaviour))


def below_chance(name: str, scores: Floats, behaviour: Behaviour) -> list[str]:
    """Return a line that says so, if the scored choices are less likely than by chance."""
    count = behaviour.trials_scored
    chance = -float(np.log(behaviour.arms))
    mean = float(np.nansum(scores)) / max(count, 1)
    if mean >= chance:
        return []
    return [
        f"{name}: below chance in fitting: {np.exp(mean):.3f} a choice, chance is "
        f"{np.exp(chance):.3f}; raw agents are nearly deterministic, a read-out allows for that"
    ]
