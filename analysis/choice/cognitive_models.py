"""Cognitive models of bandit choices: likelihood, simulation, fits and comparison.

A model is a learner with a softmax: the same few lines give its likelihood and its simulation, so
that what is fitted is what is simulated. All episodes are computed side by side, and so are the
parameter vectors that a numerical gradient needs. The two-step hybrid is in `hybrid_model`.

Trials without a choice change nothing and add nothing to a likelihood; where only the reward is
missing, the choice is scored and nothing is learned (module `missing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefrontal.analysis.missing import MISSING, codes, number, numbers

Array = NDArray[np.float64]
Bounds = tuple[tuple[float, float], ...]

FLAT = 1e-3  # nats: a likelihood that changes less over all values of a parameter says nothing


class Model(Protocol):
    """What :func:`fit` needs of a model; ``data`` is whatever its likelihood takes."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the P parameters."""

    @property
    def bounds(self) -> Bounds:
        """Return the lowest and the highest value of each parameter, for rewards of range 1."""

    @property
    def units(self) -> tuple[int, ...]:
        """Return the unit of each parameter as a power of that of reward.

        0 for a rate, -1 for an inverse temperature, 1 for what is added to a value.
        """

    @property
    def explains(self) -> tuple[str, ...]:
        """Return the fields of the data whose choices the likelihood covers."""

    def log_likelihood(self, parameters: Array, data: ChoiceData) -> Array:
        """Return the log likelihood ``[S]``, nats, under each of S parameter vectors ``[S, P]``."""


@dataclass(frozen=True)
class ChoiceData:
    """Choices to fit; every episode starts afresh.

    Attributes:
        action: Chosen arms (first-stage actions) ``[E, T]``, from 0; -1 where missing, and then all
            of the trial is missing.
        reward: Rewards ``[E, T]``, any unit; NaN where missing.
        num_arms: Number of arms K.
        second_state: Second-stage states ``[E, T]``, 0 or 1; two-step tasks only.
        second_action: Second-stage actions ``[E, T]``; two-step tasks with a choice there only.
            Missing where the state is.
    """

    action: NDArray[np.int64]
    reward: Array
    num_arms: int = 2
    second_state: NDArray[np.int64] | None = None
    second_action: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Check shapes and what the fields hold, and mask whole trials."""
        counts = {"action": self.num_arms, "second_state": 2, "second_action": None}
        given = {name: getattr(self, name) for name in counts if getattr(self, name) is not None}
        fields = {name: codes(name, value, counts[name]) for name, value in given.items()}
        reward = numbers("reward", self.reward)
        if reward.ndim != 2 or {field.shape for field in fields.values()} != {reward.shape}:
            shapes = ", ".join(str(field.shape) for field in [*fields.values(), reward])
            raise ValueError(f"{', '.join(fields)} and reward must be [E, T], got {shapes}")
        known = fields["action"] != MISSING
        object.__setattr__(self, "reward", np.where(known, reward, np.nan))
        for name, field in fields.items():
            object.__setattr__(self, name, np.where(known, field, MISSING))
            if name == "second_state":
                known = known & (field != MISSING)

    @property
    def choices(self) -> int:
        """Return the number of choices that are not missing, at both stages."""
        return self.count(("action", "second_action"))

    def count(self, explains: Sequence[str]) -> int:
        """Return the number of choices, not missing, in the fields that a model explains."""
        return sum(len(self._made(name)) for name in explains)

    def _made(self, name: str) -> NDArray[np.int64]:
        """Return the choices of a field that are not missing."""
        field = getattr(self, name)
        return np.zeros(0, np.int64) if field is None else field[field != MISSING]

    def reward_range(self, explains: Sequence[str]) -> float:
        """Return the range of the rewards: what fits measure rewards in.

        Raises:
            ValueError: If rewards or choices are all alike, so that nothing can be fitted.
        """
        seen = self.reward[~np.isnan(self.reward)]
        if not seen.size or np.ptp(seen) == 0:
            found = f"every reward is {seen[0]:g}" if seen.size else "every reward is missing"
            raise ValueError(f"{found}: a fit needs rewards that differ")
        if all(len(np.unique(self._made(name))) < 2 for name in explains):
            found = f"{self.count(explains)} choices and all the same"
            raise ValueError(f"{found}: a fit needs choices that differ")
        return float(np.ptp(seen))


def choice_data(action: ArrayLike, reward: ArrayLike, num_arms: int = 2) -> ChoiceData:
    """Return the data of one member ``[E, T]`` (or of one episode ``[T]``)."""
    actions, rewards = codes("action", action, num_arms), numbers("reward", reward)
    return ChoiceData(np.atleast_2d(actions), np.atleast_2d(rewards), num_arms)


@dataclass(frozen=True)
class RescorlaWagner:
    """Delta rule and softmax: ``Q(a) += alpha (r - Q(a))``, ``p(a) ~ exp(beta Q(a))``.

    Attributes:
        start: Value of every arm before the first reward, in the unit of rewards.
        forgetting: Also let the values of arms not chosen decay towards ``start``, at a rate of its
            own (Ito & Doya 2009).
    """

    start: float = 0.5
    forgetting: bool = False

    def __post_init__(self) -> None:
        """Check the start value."""
        number("start", self.start)

    @property
    def names(self) -> tuple[str, ...]:
        """Return learning rate, inverse temperature, and forgetting rate if there is one."""
        names = ("learning_rate", "inverse_temperature")
        return (*names, "forgetting_rate") if self.forgetting else names

    @property
    def bounds(self) -> Bounds:
        """Return 0 to 1 for rates, 0 to 50 (a range of rewards) for the inverse temperature."""
        bounds: Bounds = ((0.0, 1.0), (0.0, 50.0))
        return (*bounds, (0.0, 1.0)) if self.forgetting else bounds

    @property
    def units(self) -> tuple[int, ...]:
        """Return 0 for rates, -1 for the inverse temperature."""
        return (0, -1, 0) if self.forgetting else (0, -1)

    @property
    def explains(self) -> tuple[str, ...]:
        """Return the (first-stage) actions."""
        return ("action",)

    def update(self, q: Array, parameters: Array, chosen: NDArray, reward: Array) -> Array:
        """Return the values after a trial.

        Args:
            q: Values ``[S, E, K]``.
            parameters: ``[S, P]``.
            chosen: One-hot choices ``[S or 1, E, K]``.
            reward: ``[S or 1, E]``.
        """
        rate = parameters[:, 0, None, None]
        updated = q + rate * chosen * (reward[..., None] - q)
        if self.forgetting:
            updated += parameters[:, 2, None, None] * (1 - chosen) * (self.start - q)
        return updated

    def log_likelihood(self, parameters: Array, data: ChoiceData) -> Array:
        """Return the log likelihood ``[S]``, nats, under each of S parameter vectors ``[S, P]``."""
        logits = parameters[:, 1, None, None, None] * self.values(parameters, data)
        made = data.action != MISSING
        chosen = np.where(made, data.action, 0)[None, ..., None]
        chosen = np.broadcast_to(chosen, (*logits.shape[:3], 1))
        taken = np.take_along_axis(log_softmax(logits), chosen, axis=-1)  # [S, E, T, 1]
        return np.where(made, taken[..., 0], 0.0).sum(axis=(1, 2))

    def values(self, parameters: Array, data: ChoiceData) -> Array:
        """Return the values of all arms before every choice of the data ``[S, E, T, K]``."""
        one_hot = (data.action[..., None] == np.arange(data.num_arms)).astype(np.float64)
        learns = ~np.isnan(data.reward)  # [E, T]; missing with the choice
        reward = np.nan_to_num(data.reward)
        result = np.full((len(parameters), *one_hot.shape), self.start)
        q = result[:, :, 0]
        for t in range(data.action.shape[1] - 1):
            updated = self.update(q, parameters, one_hot[None, :, t], reward[None, :, t])
            q = updated if learns[:, t].all() else np.where(learns[:, t, None], updated, q)
            result[:, :, t + 1] = q
        return result

    def simulate(
        self, parameters: Sequence[float], arm_probabilities: ArrayLike, seed: int = 0
    ) -> ChoiceData:
        """Let the model play Bernoulli bandits.

        Args:
            parameters: Its parameters, in the order of ``names``.
            arm_probabilities: Reward probabilities ``[E, T, K]``, or ``[E, 1, K]`` with ``T`` from
                broadcasting beforehand.
            seed: Seed of choices and rewards.

        Raises:
            ValueError: If a probability is not from 0 to 1, or there are not as many parameters.
        """
        rng = np.random.default_rng(seed)
        p_reward = probabilities("arm_probabilities", arm_probabilities, 3)
        episodes, trials, arms = p_reward.shape
        vector = parameter_vector(self, parameters)
        q = np.full((1, episodes, arms), self.start)
        action = np.zeros((episodes, trials), dtype=np.int64)
        reward = np.zeros((episodes, trials))
        for t in range(trials):
            action[:, t] = softmax_choice(vector[0, 1] * q[0], rng)
            chosen = np.eye(arms)[action[:, t]]
            reward[:, t] = rng.random(episodes) < (p_reward[:, t] * chosen).sum(axis=-1)
            q = self.update(q, vector, chosen[None], reward[None, :, t])
        return ChoiceData(action, reward, arms)


@dataclass(frozen=True)
class Fit:
    """A maximum-likelihood fit.

    Attributes:
        model: Name of the model.
        parameters: Name to estimate, in the unit of the rewards that were given.
        log_likelihood: At the estimate, nats.
        choices: Number of choices fitted, without missing ones.
        at_bound: Names of the parameters that ended on a bound: not identified by these data.
        explains: Fields of the data that these choices are.
        flat: Names of the parameters that the likelihood does not depend on near the estimate,
            whatever their value: their estimates mean nothing.
    """

    model: str
    parameters: dict[str, float]
    log_likelihood: float
    choices: int
    at_bound: tuple[str, ...] = ()
    explains: tuple[str, ...] = ("action",)
    flat: tuple[str, ...] = ()

    @property
    def bic(self) -> float:
        """Return Schwarz's criterion ``P log n - 2 log L``; lower is better."""
        return float(len(self.parameters) * np.log(self.choices) - 2 * self.log_likelihood)


def fit(
    model: Model, data: ChoiceData, starts: int = 4, seed: int = 0, name: str | None = None
) -> Fit:
    """Maximise the likelihood by L-BFGS-B from several starting points, and keep the best.

    Parameters are searched in units of the range of the rewards, so that the fit does not depend on
    the unit that rewards are given in.

    Args:
        model: What to fit.
        data: Choices of one agent; episodes share the parameters.
        starts: Number of starting points: the likeliest of sixteen times as many random ones.
        seed: Seed of the random points.
        name: Name in the result; the class of the model by default.

    Raises:
        ValueError: If the data cannot be fitted: no more choices than parameters, choices or
            rewards all alike, a likelihood that depends on no parameter or is not finite.
    """
    from scipy import optimize

    name, bounds = name or type(model).__name__, np.array(model.bounds)
    low, high = bounds.T
    choices = data.count(model.explains)
    if choices <= len(bounds):
        raise ValueError(f"{name}: {choices} choices cannot determine {len(bounds)} parameters")
    if starts < 1:
        raise ValueError(f"starts must be at least 1, got {starts}")
    unit = data.reward_range(model.explains) ** np.array(model.units, dtype=np.float64)

    def likelihoods(points: Array) -> Array:
        return model.log_likelihood(points * unit, data)

    rng = np.random.default_rng(seed)
    # The likelihood has local maxima and flat places (steep softmaxes): start at the best of many.
    reach = np.minimum(high, 8.0) - low
    candidates = low + reach * rng.uniform(0.05, 0.95, (16 * starts, len(bounds)))
    order = np.argsort(-likelihoods(candidates))
    first = candidates[order[:starts]]
    step = 1e-5

    def objective(vector: Array) -> tuple[float, Array]:
        # One call for the value and all central differences.
        forward = np.minimum(vector + step * np.eye(len(vector)), high)
        backward = np.maximum(vector - step * np.eye(len(vector)), low)
        values = -likelihoods(np.concatenate([vector[None], forward, backward]))
        up, down = values[1 : 1 + len(vector)], values[1 + len(vector) :]
        width = (forward - backward).diagonal()
        return float(values[0]), (up - down) / width

    search = {"jac": True, "bounds": bounds, "method": "L-BFGS-B"}
    found = [optimize.minimize(objective, vector, **search) for vector in first]
    finite = [one for one in found if np.isfinite(one.fun) and np.isfinite(one.x).all()]
    if not finite:
        raise ValueError(f"{name}: the log likelihood is not finite from any starting point")
    best = min(finite, key=lambda one: float(one.fun))
    near = (best.x - low < 1e-4) | (high - best.x < 1e-4)
    # FLAT: each parameter through its whole range, the others at the estimate
    grid = np.repeat(best.x[None, None], len(bounds), axis=0).repeat(9, axis=1)  # [P, 9, P]
    for i in range(len(bounds)):
        grid[i, :, i] = np.linspace(low[i], high[i], 9)
    along = likelihoods(grid.reshape(-1, len(bounds))).reshape(-1, 9)
    flat = np.ptp(np.column_stack([along, np.full(len(bounds), -best.fun)]), axis=1) < FLAT
    if flat.all():
        raise ValueError(f"{name}: the likelihood is flat, so that no parameter can be told")
    return Fit(
        name,
        dict(zip(model.names, (float(value) for value in best.x * unit), strict=True)),
        -float(best.fun),
        choices,
        tuple(label for label, on_bound in zip(model.names, near, strict=True) if on_bound),
        tuple(model.explains),
        tuple(label for label, one in zip(model.names, flat, strict=True) if one),
    )


def compare(
    models: dict[str, Model], data: ChoiceData, starts: int = 4, seed: int = 0
) -> list[Fit]:
    """Fit several models to the same choices; best (lowest BIC) first.

    Raises:
        ValueError: If the models do not explain the same choices.
    """
    if len({frozenset(model.explains) for model in models.values()}) > 1:
        each = (f"{name} those of {' and '.join(m.explains)}" for name, m in models.items())
        raise ValueError(f"only models of the same choices can be ranked: {', '.join(each)}")
    fits = [fit(model, data, starts, seed, name) for name, model in models.items()]
    return sorted(fits, key=lambda one: one.bic)


def parameter_vector(model: Model, parameters: ArrayLike) -> Array:
    """Return the parameters of a simulation as ``[1, P]``.

    Raises:
        ValueError: If there are not as many as the model has, or one is not finite.
    """
    vector = numbers("parameters", parameters, axes=("parameter",), complete=True)
    if vector.shape != (len(model.names),):
        raise ValueError(f"parameters must be {', '.join(model.names)}, got {vector.shape}")
    return vector[None]


def probabilities(name: str, values: ArrayLike, axes: int) -> Array:
    """Return probabilities of so many axes, of which none may be missing.

    Raises:
        ValueError: If one is not from 0 to 1, or there are more or fewer axes.
    """
    p = numbers(name, values, 0.0, 1.0, axes=("episode", "trial"), complete=True)
    if p.ndim != axes:
        raise ValueError(f"{name} must have {axes} axes, from [E, T], got {p.shape}")
    return p


def log_softmax(logits: Array) -> Array:
    """Return the log of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def softmax_choice(logits: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw one choice for each row of logits ``[E, K]``; return choices ``[E]``."""
    probabilities = np.exp(log_softmax(logits))
    below = probabilities.cumsum(axis=-1)[:, :-1] < rng.random((len(probabilities), 1))
    return np.asarray(below.sum(axis=-1), dtype=np.int64)
