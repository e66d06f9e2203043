"""Prediction errors that reflect inferred value (Wang et al. 2018, simulation 3).

After Bromberg-Martin et al. 2010. One of two targets pays; they change places without a signal, and
one trial with one target tells about both. The measure is the prediction error at the *sight* of a
target, paying less not paying. On the first trial after a reversal it has the old, wrong sign; on
the next trial, if that shows the other target, an agent that infers gives it the new sign, and a
learner with a value for each target (TD) still the old one. Conditions: `recurrent` and
`feedforward`. Choices are easy, so all is up to the value head: a larger `value_coef` (1) and a
small discount; 400,000 steps are enough. The values pass through a stage at which only a target's
own last outcome counts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import curve_figure
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding

TD_RATES = np.arange(0.1, 1.01, 0.1)  # learning rates among which the TD learner has the best one
FOLLOWED = 5  # trials after a reversal that the figure shows


def cues(record: Record) -> dict[str, np.ndarray]:
    """Return the error ``rpe`` at the sight of each target and facts of it, ``[M, E, trials]``.

    The error of a sight is that of the step before it, the fixation; `valid` are those without a
    penalty.
    """
    from prefrontal.envs.reversal import FIXATION

    fixation = record["stage"][0, 0] == FIXATION
    names = ("rpe", "pays", "target", "reversals", "since_reversal", "seen")
    found = {name: record[name][:, :, fixation] for name in names}
    return found | {"valid": record["reward"][:, :, fixation] == 0}


def effect(rpe: np.ndarray, pays: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the error at targets that pay less that at others, ``[M]``, over chosen trials."""

    def mean(trials: np.ndarray) -> np.ndarray:
        count = trials.sum(axis=(1, 2))
        return np.where(count > 0, (rpe * trials).sum(axis=(1, 2)) / np.maximum(count, 1), np.nan)

    return mean(chosen & (pays == 1)) - mean(chosen & (pays == 0))


def unseen(trials: dict[str, np.ndarray], since: int) -> np.ndarray:
    """Return which trials, `since` after a reversal, show a target not seen since."""
    after = (trials["reversals"] > 0) & (trials["since_reversal"] == since)
    return after & (trials["seen"] == 0) & trials["valid"]


def ideal_rpe(target: np.ndarray, pays: np.ndarray, reversal: float, discount: float) -> np.ndarray:
    """Return the errors of an ideal observer: discount times (P(target pays) - 1/2)."""
    first = np.full(target.shape[:-1], 0.5)  # probability that target 1 is the paying one
    errors = np.zeros(target.shape)
    for n in range(target.shape[-1]):
        if n:
            first = first + reversal * (1 - 2 * first)
        errors[..., n] = discount * (np.where(target[..., n] == 1, first, 1 - first) - 0.5)
        first = (target[..., n] == pays[..., n]).astype(float)
    return errors


def td_rpe(target: np.ndarray, pays: np.ndarray, rate: float, discount: float) -> np.ndarray:
    """Return the errors of a learner with one value a target, V += rate (r - V)."""
    values = np.full((*target.shape[:-1], 2), 0.5)
    errors = np.zeros(target.shape)
    for n in range(target.shape[-1]):
        shown = target[..., n, None] == [0, 1]
        value = (values * shown).sum(axis=-1)
        errors[..., n] = discount * (value - 0.5)
        values = values + rate * shown * (pays[..., n] - value)[..., None]
    return errors


def measure(evaluation: Evaluation) -> Outcome:
    """Measure errors at targets not seen since a reversal, against an ideal and a TD learner."""
    findings: list[Finding] = []
    figures: list[Path] = []
    for condition in evaluation.conditions:
        if condition == "recurrent":
            more, figures = _recurrent(evaluation)
            findings += more
        else:
            trials = cues(evaluation.record(condition))
            found = effect(trials["rpe"], trials["pays"], unseen(trials, 1))
            findings.append(
                finding(
                    f"RPE to a target not seen since, after one telling trial, {condition} agent",
                    found,
                    bar=(-0.05, 0.05),
                    better="near",
                    note="without recurrence: no flip",
                )
            )
    return Outcome(findings, figures + curve_figure(evaluation))


def _recurrent(evaluation: Evaluation) -> tuple[list[Finding], list[Path]]:
    from prefrontal.envs.reversal import InferredValue

    record = evaluation.record("recurrent")
    trials, discount = cues(record), evaluation.discounts["recurrent"]
    task = InferredValue(**evaluation.populations["recurrent"].environment.kwargs)
    target, pays = trials["target"], trials["pays"]
    observers = {
        "agent": trials["rpe"],
        "ideal": ideal_rpe(target, pays, task.reversal, discount),
        "TD": td_rpe(target, pays, _best_rate(target, pays), discount),
    }
    told, seen = unseen(trials, 1), (trials["seen"] > 0) & trials["valid"]
    effects = {
        name: [effect(rpe, pays, chosen) for chosen in (unseen(trials, 0), told, seen)]
        for name, rpe in observers.items()
    }
    ideal = [float(values.mean()) for values in effects["ideal"]]
    before, after, known = effects["agent"]
    name = "RPE to a target not seen since"
    findings = [
        finding(
            f"{name} a reversal, before anything tells",
            before,
            bar=0.0,
            better="lower",
            optimum=ideal[0],
            note="paying less not paying; old value",
        ),
        finding(
            f"{name}, after one telling trial",
            after,
            bar=0.0,
            optimum=ideal[1],
            note="flips at once; published in words",
        ),
        finding(
            f"{name}, after one telling trial, over the ideal observer's",
            after / effects["ideal"][1],
            goal=0.9,
            optimum=1.0,
        ),
        finding(
            f"{name}, after one telling trial, TD learner",
            effects["TD"][1],
            bar=0.0,
            better="lower",
            note="one value a target: does not flip",
        ),
        finding("RPE to a target seen since", known, bar=0.0, optimum=ideal[2]),
        finding(
            "RPE to a target seen since, TD learner", effects["TD"][2], note="has learned it by now"
        ),
        finding(
            "reward a trial",
            record["reward"].sum(axis=2).mean(axis=1) / task.trials,
            bar=0.47,
            optimum=0.5,
        ),
    ]
    if not evaluation.figures:
        return findings, []
    curves = {
        label: np.stack(
            [effect(observers[key], pays, unseen(trials, since)) for since in range(FOLLOWED)], 1
        )
        for label, key in (("agent", "agent"), ("ideal observer", "ideal"), ("TD learner", "TD"))
    }
    kept = {label: curve for label, curve in curves.items() if np.isfinite(curve).all()}
    path = curves_by_trial(
        kept,
        evaluation.folder / "inferred_value.png",
        "RPE at the sight, paying less not paying",
        xlabel="trial after a reversal, target not seen since",
        episodes=evaluation.episodes,
    )
    return findings, [path]


def _best_rate(target: np.ndarray, pays: np.ndarray) -> float:
    """Return the learning rate with which the TD learner predicts best on these trials."""
    errors = [np.square(td_rpe(target, pays, rate, 1.0) + 0.5 - pays).mean() for rate in TD_RATES]
    return float(TD_RATES[int(np.argmin(errors))])


_RECURRENT = cfg.Settings(
    cfg.EnvironmentSpec(
        "prefrontal/InferredValue-v0", ("action", "centred_reward", "time"), {"trials": 50}
    ),
    cfg.NetworkConfig(input_gain=3.0),
    cfg.A2CConfig(learning_rate=1e-2, discount=0.6, value_coef=1.0),
    cfg.TrainingConfig(num_envs=16, total_steps=1_000_000),
)

EXPERIMENT = Experiment(
    name="wang2018-inferred-value",
    summary="the prediction error to a target follows what another one has told about it",
    reference="Wang et al. 2018, Nature Neuroscience 21:860, simulation 3",
    conditions={
        "recurrent": _RECURRENT,
        "feedforward": _RECURRENT.with_options(core="none", total_steps=400_000),
    },
    measure=measure,
    levels=lambda settings: {"optimum": settings.environment.kwargs["trials"] / 2},
)
