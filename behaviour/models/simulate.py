"""Let a model choose: in a task whose payments are known, or again in trials that were recorded.

What can be simulated on recorded trials depends on what is known of the arms that were not chosen.
If all payments, or their probabilities, are known, a model plays on its own (`simulate`). If not,
nobody can say what another choice would have paid: `redrawn` draws every choice anew, each after
the history that was recorded. Its choices follow the model, its histories do not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from prefrontal.analysis.missing import MISSING, numbers
from prefrontal.behaviour.models.model import Model, State, Trial
from prefrontal.behaviour.models.run import change_fields, run, tabulate, where
from prefrontal.behaviour.models.two_step import COMMON
from prefrontal.behaviour.table import Behaviour, Codes, Floats, behaviour


@dataclass(frozen=True)
class Environment:
    """Trials to play, and what they pay.

    Attributes:
        trials: What is given of them: subjects, where values start anew, arms that can be chosen,
            columns. Where it has no choice the trial is missed; where its choice is forced
            (learned and not scored) that choice is made. Other choices and rewards in it count for
            nothing.
        pay: What each arm pays, ``[S, T, K]``; of a two-step task, what each choice at the second
            stage pays, ``[S, T, 2, options]``.
        noise: None: ``pay`` is the probability of a reward of 1, and of 0 else. A number: the
            standard deviation of rewards around ``pay``; 0: exactly that.
    """

    trials: Behaviour
    pay: Floats
    noise: float | None = None

    def __post_init__(self) -> None:
        """Check what arms pay.

        Raises:
            ValueError: It is not a number of each trial and arm, or not a probability.
        """
        low, high = (0.0, 1.0) if self.noise is None else (-np.inf, np.inf)
        axes = ("subject", "trial", "arm", "option")[: np.ndim(self.pay)]
        pay, made = numbers("pay", self.pay, low, high, axes), self.trials.choice != MISSING
        wanted = [len(self.trials), self.trials.trials, self.trials.arms]
        if list(pay.shape[:3]) != wanted or pay.ndim > 4:
            raise ValueError(f"pay must be [S, T, K] = {wanted}, not {list(pay.shape)}")
        if np.isnan(pay[made]).any():
            subject, trial = np.argwhere(made & np.isnan(pay).any(tuple(range(2, pay.ndim))))[0]
            raise ValueError(f"pay is missing of trial {trial} of subject {subject}")
        object.__setattr__(self, "pay", pay)

    def leads(self, choice: Codes, rng: np.random.Generator) -> Codes:
        """Return the states ``[S]`` that first choices ``[S]`` of a two-step task lead to."""
        mapping, common = self.trials.mapping, self.trials.common
        usual = choice if mapping is None else mapping[np.arange(len(choice)), choice]
        as_usual = rng.random(len(choice)) < (COMMON if common is None else common)
        return np.where(as_usual, usual, 1 - usual)

    def pays(self, t: int, chosen: tuple[Codes, ...], rng: np.random.Generator) -> Floats:
        """Return rewards ``[S]`` of arms, or of states and second choices, ``[S]`` each."""
        at = (np.arange(len(self.trials)), np.full(len(self.trials), t), *chosen)
        pay = np.nan_to_num(self.pay[at])
        if self.noise is None:
            return (rng.random(len(pay)) < pay).astype(np.float64)
        return np.asarray(pay + self.noise * rng.standard_normal(len(pay)))


def bandits(pay: ArrayLike, noise: float | None = None, **more: Any) -> Environment:
    """Return bandits, one a subject.

    Args:
        pay: Probabilities of reward, or means, ``[S, T, K]``.
        noise: See `Environment`.
        **more: Fields of `Behaviour`, such as ``block`` and ``resets``.
    """
    return _whole(np.asarray(pay, dtype=float), noise, more)


def two_step(pay: ArrayLike, common: float = 0.7, **more: Any) -> Environment:
    """Return two-step tasks, one a subject; first choice k commonly leads to state k.

    Args:
        pay: Probabilities of reward of the second choices in both states ``[S, T, 2, options]``.
        common: Probability of the common transition.
        **more: Fields of `Behaviour`; ``mapping`` ``[S, 2]`` is the state that each leads to.
    """
    values = np.asarray(pay, dtype=float)
    if values.ndim != 4 or values.shape[2] != 2:
        raise ValueError(f"pay must be [S, T, 2, options], not {list(values.shape)}")
    zeros = np.zeros(values.shape[:2], np.int64)
    given = {"mapping": np.tile([0, 1], (len(values), 1)), "common": common, "state2": zeros}
    if values.shape[3] > 1:
        given["choice2"] = zeros
    return _whole(values, None, {**given, **more})


def stimuli(
    subjects: int, trials: int, sizes: Sequence[int] = (2, 3, 4, 5, 6), seed: int = 0
) -> Environment:
    """Return stimulus-response learning (Collins & Frank 2012): one of three actions is right.

    Args:
        subjects: Subjects S.
        trials: Trials T; blocks follow each other, in which every stimulus is shown 10 times.
        sizes: Numbers of stimuli in a block, again and again in this order.
        seed: Of the order of stimuli, and of what is right.
    """
    rng = np.random.default_rng(seed)
    pay = np.zeros((subjects, trials, 3))
    stimulus, size, block = np.zeros((3, subjects, trials), np.int64)
    for s in range(subjects):
        at = 0
        for number, n in enumerate(itertools.cycle(sizes)):
            shown = rng.permutation(np.repeat(np.arange(n), 10))[: trials - at]
            part = slice(at, at + len(shown))
            stimulus[s, part], size[s, part], block[s, part] = shown, n, number
            pay[s, part] = np.eye(3)[rng.integers(0, 3, n)[shown]]
            at += len(shown)
            if at == trials:
                break
    columns = {"stimulus": stimulus, "set_size": size}
    return bandits(pay, columns=columns, block=block, resets="block")


def _whole(pay: Floats, noise: float | None, more: Mapping[str, Any]) -> Environment:
    """Return an environment of trials that are all made, and made freely."""
    zeros = np.zeros(pay.shape[:2], np.int64)
    return Environment(behaviour(zeros, zeros, pay.shape[2], **more), pay, noise)


def simulate(
    model: Model, theta: Mapping[str, Any], environment: Environment, seed: int = 0
) -> Behaviour:
    """Let a model play.

    Args:
        model: Who chooses.
        theta: Its parameters in their ranges, by name: a number, or one of each subject ``[S]``.
        environment: What is played.
        seed: Of choices, transitions and rewards.

    Returns:
        The trials of the environment with the model's choices and their rewards.

    Raises:
        ValueError: A parameter is missing, or the trials lack what the model needs.
    """
    given, rng = environment.trials, np.random.default_rng(seed)
    parameters = values_of(model, theta, len(given))
    made = torch.from_numpy(given.choice != MISSING)
    table = tabulate(given, model)
    fields = change_fields(table.fields, torch.clone)
    state = start = model.start(parameters, given)
    with torch.no_grad():
        for t in range(given.trials):
            if t and table.any_first[t]:
                state = where(fields.first[t], start, state)
            now = {name: value.unsqueeze(0) for name, value in state.items()}

            def policy(method: Any, state: State = now, t: int = t) -> Floats:
                p: Floats = method(parameters, state, _step(model, parameters, fields, t))
                return np.asarray(p[0].exp())

            _play(model, policy, fields, t, environment, rng)
            if state:
                step = _step(model, parameters, fields, t)
                after = model.update(parameters, state, change_fields(step, lambda one: one[0]))
                state = where(made[:, t], after, state)
    return _made(given, fields)


def _step(model: Model, theta: Mapping[str, Tensor], fields: Trial, t: int) -> Trial:
    """Return one trial ``[1, S, ...]``, prepared."""
    step = change_fields(fields, lambda one: one[t : t + 1])
    return step._replace(prepared=model.prepare(theta, step))


def _play(
    model: Model,
    policy: Callable[[Any], Floats],
    fields: Trial,
    t: int,
    environment: Environment,
    rng: np.random.Generator,
) -> None:
    """Write the choices of a trial, and what they lead to, into its fields."""
    given, drawn = environment.trials, _drawn(policy(model.log_policy), rng)
    made = given.choice[:, t] != MISSING
    choice = np.where(given.scored[:, t], drawn, given.choice[:, t].clip(0))
    fields.choice.numpy()[t] = choice
    fields.chosen.numpy()[t] = (choice[:, None] == np.arange(given.arms)) & made[:, None]
    chosen: tuple[Codes, ...] = (choice,)
    if environment.pay.ndim == 4:
        assert fields.state2 is not None
        fields.state2.numpy()[t] = state = environment.leads(choice, rng)
        second = rng.integers(0, environment.pay.shape[3], len(given))
        if "choice2" in model.explains:
            second = _drawn(policy(model.log_policy2), rng)
        if fields.choice2 is not None:
            fields.choice2.numpy()[t] = second
        chosen = (state, second)
    fields.reward.numpy()[t] = environment.pays(t, chosen, rng)
    if t + 1 < given.trials:
        previous = fields.previous.numpy()
        previous[t + 1] = np.where(made[:, None], fields.chosen.numpy()[t], previous[t])
        previous[t + 1][given.starts[:, t + 1]] = 0


def _drawn(p: Floats, rng: np.random.Generator) -> Codes:
    """Draw an index of each distribution of the last axis."""
    below = p.cumsum(axis=-1)[..., :-1] < rng.random((*p.shape[:-1], 1)) * p.sum(-1, keepdims=True)
    return np.asarray(below.sum(axis=-1), dtype=np.int64)


def _made(given: Behaviour, fields: Trial) -> Behaviour:
    """Return the trials with what was chosen and paid, where they were not missed."""
    made = given.choice != MISSING
    new: dict[str, Any] = {"reward": np.where(made, fields.reward.numpy().T, np.nan)}
    for name in ("choice", "state2", "choice2"):
        value = getattr(fields, name)
        if value is not None:
            new[name] = np.where(made, value.numpy().T, MISSING)
    return replace(given, learned=made, **new)


def values_of(model: Model, theta: Mapping[str, Any], subjects: int) -> dict[str, Tensor]:
    """Return the parameters of a model for so many subjects, ``[S]`` each.

    Raises:
        ValueError: One is missing, or there are not as many as subjects.
    """
    missing = [one.name for one in model.parameters if one.name not in theta]
    if missing:
        raise ValueError(f"{model.name} needs a value of {', '.join(missing)}")
    given = {
        one.name: torch.as_tensor(theta[one.name], dtype=torch.float64) for one in model.parameters
    }
    for name, value in given.items():
        if value.shape not in ((), (1,), (subjects,)):
            raise ValueError(f"{name} must be one number or {subjects}, not {list(value.shape)}")
    return {name: value.expand(subjects) for name, value in given.items()}


def redrawn(model: Model, theta: Mapping[str, Any], recorded: Behaviour, seed: int = 0) -> Codes:
    """Draw every choice anew, each after the history that was recorded.

    Args:
        model: Who chooses.
        theta: See `simulate`.
        recorded: The trials.
        seed: Of the choices.

    Returns:
        Choices ``[S, T]`` (at a two-step task, the first ones); -1 where none is scored.
    """
    with torch.no_grad():
        ran = run(model, values_of(model, theta, len(recorded)), recorded, latents=True)
    drawn = _drawn(ran.latents["policy"].numpy(), np.random.default_rng(seed))
    return np.where(recorded.scored, drawn, -1)
