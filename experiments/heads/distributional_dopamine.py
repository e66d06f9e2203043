"""Distributions of reward in heads, reversal points of their errors, and optimism of plain units.

Nine read-outs of a recurrent network learn expectiles of the next reward (Dabney et al. 2020):
beside a scalar critic (`arms`), and as the critic itself (`critic`), on two dependent arms, where
the exact expectile follows from the posterior, logit e = logit m + logit τ. On `VariableMagnitude`
(`magnitude`) the errors of each head reverse at an amount of its own, which is held against the
exact expectile of what there is to know, and rewards are decoded from the heads. On the risky
choice (`risk`) one head decides between a safe reward and the gamble. Controls: a scalar critic
plus noise, cells whose errors and values are not coupled, and shuffles. `scalar` has no heads: do
its units scale outcomes asymmetrically, and does that predict the value at which they reverse, as
in macaque prefrontal cortex (Muller et al. 2024)? Measurements:
docs/findings/distributional-dopamine.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prefrontal.agents.networks.config import HeadConfig
from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.analysis.figures.members import scatter_by_member
from prefrontal.analysis.neural import distributional as dist
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import regret_finding
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.heads.cells import (
    AMOUNTS,
    EPISODES,
    LARGEST,
    LEVELS,
    SIZE,
    cell_findings,
    unit_findings,
)

RISK_LEVELS = dist.head_levels(2)  # .25 and .75

#: Probabilities of the amounts: equal, and those that juice came with in the recordings of Dabney
#: et al. (2020), as in public code on their data.
DISTRIBUTIONS = {
    "equal": np.full(7, 1 / 7),
    "as recorded": np.array([0.0661, 0.0909, 0.1485, 0.1549, 0.3116, 0.151, 0.0771]),
}
GRID = np.linspace(0.0, 1.0, 201)  # of decoded rewards

FIRST = 5  # trials of the arms that are left out: before, there is next to nothing to know
LATE = 50  # trials of an episode of amounts that are left out
TESTED = 20  # the last choices of an episode, in which risk is offered
GAMBLES = (0.25, 0.5, 0.75)
CLIP = 0.005  # nothing nearer to 0 or 1 enters a logit


def measure(evaluation: Evaluation) -> Outcome:
    """Measure heads against exact expectiles, reversal points, risk, and optimism of units."""
    findings: list[Finding] = []
    figures: list[Any] = []
    parts = {
        "arms": _arms,
        "critic": _arms,
        "magnitude": _magnitude,
        "risk": _risk,
        "scalar": unit_findings,
    }
    for condition, part in parts.items():
        if condition in evaluation.conditions:
            more, drawn = part(evaluation, condition)
            findings, figures = findings + more, figures + drawn
    return Outcome(findings, figures)


# ARMS


def exact_expectiles(record: Record, per_action: bool) -> np.ndarray:
    """Return the exact expectiles on two dependent arms before each choice, ``[M, E, T, N]``.

    Args:
        record: Of agents on the arms.
        per_action: Of the arm that is chosen; else of what the policy will choose.
    """
    paid = dist.arm_predictive(record["action"], record["reward"], dependent=True)
    if per_action:
        chosen = np.take_along_axis(paid, record["action"][..., None].astype(int), -1)[..., 0]
    else:
        chosen = (paid * record["policy"]).sum(axis=-1)
    return dist.bernoulli_expectiles(chosen, LEVELS)


def slopes(values: np.ndarray) -> np.ndarray:
    """Return the slope of logit e on logit τ of each set of nine values ``[..., N]``."""
    x = dist.logit(LEVELS)
    y = dist.logit(np.clip(values, CLIP, 1 - CLIP))
    return np.asarray((y * x).sum(axis=-1) / (x**2).sum())  # x has mean 0


def _arms(evaluation: Evaluation, condition: str) -> tuple[list[Finding], list[Any]]:
    record = evaluation.record(condition)
    values = record["head.tau"][:, :, FIRST:].astype(np.float64)
    exact = exact_expectiles(record, condition == "arms")[:, :, FIRST:]
    rmse = np.sqrt(((values - exact) ** 2).mean(axis=(1, 2)))
    reward = record["reward"][:, :, FIRST:]
    points = dist.reversal_points(
        [0.0, 1.0], dist.responses_by_outcome(reward, reward[..., None] - values, 2)
    )
    order = [
        np.random.default_rng([evaluation.seed, m]).permutation(SIZE) for m in range(len(rmse))
    ]
    shuffled = np.take_along_axis(points, np.array(order), axis=1)
    levels = np.broadcast_to(LEVELS, points.shape)
    findings = [
        finding(
            f"slope of logit e on logit τ, {condition}",
            slopes(values).mean(axis=(1, 2)),
            bar=(0.95, 1.05),
            better="near",
            optimum=1.0,
        ),
        finding(
            f"RMSE to the exact expectile, the worst of nine τ, {condition}",
            rmse.max(axis=1),
            bar=0.06,
            better="lower",
        ),
        *(
            finding(f"RMSE to the exact expectile, τ = {LEVELS[i]:.3f}, {condition}", rmse[:, i])
            for i in (0, SIZE // 2, SIZE - 1)
        ),
        finding(
            f"reversal point against τ (Spearman), {condition}",
            dist.rank_correlations(points, levels),
            bar=0.95,
        ),
        finding(
            f"reversal point against τ (Spearman), heads shuffled, {condition}",
            dist.rank_correlations(shuffled, levels),
        ),
        regret_finding(f"regret, {condition}", record),
    ]
    if not evaluation.figures:
        return findings, []
    path = evaluation.folder / f"expectiles_{condition}.png"
    panels = {"": (exact.mean(axis=(1, 2)), points)}
    labels = "exact expectile", "reversal point of the errors"
    return findings, [scatter_by_member(panels, path, *labels, True, evaluation.episodes)]


# AMOUNTS


def _magnitude(evaluation: Evaluation, condition: str) -> tuple[list[Finding], list[Any]]:
    findings, panels = _held_out(evaluation, condition), {}
    for name, share in DISTRIBUTIONS.items():
        record = _same(evaluation, condition, "w", share / share.sum())
        index, known = _amounts(record)
        known = known[:, :, LATE:]
        errors, came = record["rpe.tau"][:, :, LATE:].astype(np.float64), index[:, :, LATE:]
        points = dist.reversal_points(
            AMOUNTS / LARGEST, dist.responses_by_outcome(came, errors, len(AMOUNTS))
        )
        exact = dist.expectiles(AMOUNTS / LARGEST, known, LEVELS).mean(axis=(1, 2))
        panels[name] = (LARGEST * exact, LARGEST * points)
        findings += [
            finding(
                f"reversal point off the exact expectile, the worst of nine τ, {name}",
                np.abs(points / exact - 1).max(axis=1),
                bar=0.05,
                better="lower",
                note="share of the expectile",
            ),
            *_decoded(points, known.mean(axis=(1, 2)), name),
        ]
        if name == "equal":
            findings += cell_findings(evaluation.seed, came, errors)
    if not evaluation.figures:
        return findings, []
    path = evaluation.folder / "reversal_points.png"
    labels = "exact expectile (μl)", "reversal point (μl)"
    return findings, [scatter_by_member(panels, path, *labels, True, _few(evaluation))]


def _few(evaluation: Evaluation) -> int:
    return min(EPISODES, evaluation.episodes)


def _same(evaluation: Evaluation, condition: str, name: str, task: Any) -> Record:
    """Return a record in which all episodes are of one task."""
    tasks = {name: np.repeat(np.asarray(task, np.float32)[None], _few(evaluation), axis=0)}
    return evaluation.record(condition, tasks=tasks)


def _amounts(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Return which amount came, and what could be known before it ``[M, E, T, K]``."""
    index = np.abs(LARGEST * record["reward"][..., None] - AMOUNTS).argmin(axis=-1)
    return index, dist.amount_predictive(index, len(AMOUNTS))


def _held_out(evaluation: Evaluation, condition: str) -> list[Finding]:
    """Return the error on tasks of the evaluation's split, in units of the spread of the exact."""
    record = evaluation.record(condition, episodes=_few(evaluation))
    exact = dist.expectiles(AMOUNTS / LARGEST, _amounts(record)[1][:, :, LATE:], LEVELS)
    off = record["head.tau"][:, :, LATE:] - exact
    share = np.sqrt((off**2).mean(axis=(1, 2))) / exact.std(axis=(1, 2))
    return [
        finding(
            f"RMSE to the exact expectile over its own spread, τ = {LEVELS[i]:.3f}, amounts",
            share[:, i],
            better="lower",
        )
        for i in (0, SIZE // 2, SIZE - 1)
    ]


def _decoded(points: np.ndarray, known: np.ndarray, name: str) -> list[Finding]:
    """Return how far rewards decoded from heads are from those there are, beside one Gaussian."""
    from scipy.stats import wasserstein_distance

    amounts = AMOUNTS / LARGEST
    ours: list[float] = []
    scalar: list[float] = []
    gauss = []
    for e, p in zip(points, known, strict=True):
        for found, values in ((ours, e), (scalar, np.full(SIZE, p @ amounts))):
            decoded = dist.decode(values, LEVELS, GRID)
            found.append(wasserstein_distance(GRID, amounts, decoded, p))
        gauss.append(dist.best_gaussian(amounts, p))
    unit = f"{name}, μl"
    return [
        finding(f"Wasserstein-1 of decoded rewards, {unit}", LARGEST * np.array(ours)),
        finding(f"Wasserstein-1 of the best Gaussian, {unit}", LARGEST * np.array(gauss)),
        finding(f"Wasserstein-1 decoded from the mean alone, {unit}", LARGEST * np.array(scalar)),
        finding(
            f"Wasserstein-1 of decoded rewards over the best Gaussian's, {name}",
            np.array(ours) / np.array(gauss),
            bar=0.5,
            better="lower",
        ),
    ]


# RISK


def _risk(evaluation: Evaluation, condition: str) -> tuple[list[Finding], list[Any]]:
    offers = np.arange(0.01, 1.0, 0.02)
    apart, curves = [], {}
    findings: list[Finding] = []
    for p in GAMBLES:
        record = _same(evaluation, condition, "p", p)
        gambled = (record["action"] == 1)[:, :, -TESTED:]
        values = record["head.tau"][:, :, -TESTED:]
        for i, tau in enumerate(RISK_LEVELS):
            chosen = [one[took] for one, took in zip(values[..., i], gambled, strict=True)]
            exact = float(dist.bernoulli_expectiles(p, [tau])[0])
            points = np.array([np.median(one) for one in chosen])  # where half choose the gamble
            apart.append(np.abs(points - exact))
            where = f"p = {p:g}, τ = {tau:g}"
            findings.append(
                finding(f"safe reward worth the gamble, {where}", points, optimum=exact)
            )
            curves[where] = np.array([(one[:, None] > offers).mean(axis=0) for one in chosen])
    findings.append(
        finding(
            "safe reward worth the gamble off e_τ(p), the worst of six",
            np.max(apart, axis=0),
            bar=0.03,
            better="lower",
        )
    )
    if not evaluation.figures:
        return findings, []
    shown = {name: curve for name, curve in curves.items() if "p = 0.5" in name}
    drawn = curves_by_trial(
        shown,
        evaluation.folder / "risk.png",
        "gambles chosen, p = .5",
        {"half": 0.5},
        (0.0, 1.0),
        "safe reward",
        _few(evaluation),
        offers,
    )
    return findings, [drawn]


# SETTINGS


def _heads(size: int = SIZE, **options: Any) -> tuple[HeadConfig, ...]:
    return (HeadConfig("tau", size=size, loss="expectile", **options),)


def _settings(
    task: str, inputs: tuple[str, ...], kwargs: dict[str, Any], steps: int, split: str = "train"
) -> cfg.Settings:
    return cfg.Settings(
        cfg.EnvironmentSpec(
            f"prefrontal/{task}-v0", inputs, {"trials": 100, **kwargs}, split=split
        ),
        cfg.NetworkConfig(),
        cfg.A2CConfig(learning_rate=1e-2, discount=0.6, entropy_coef=0.1),
        cfg.TrainingConfig(num_envs=16, total_steps=steps),
    )


_SEEN = ("action", "centred_reward", "time")
_ARMS = _settings("CorrelatedBandit", _SEEN, {"distribution": "uniform"}, 1_800_000)
_AMOUNTS = _settings("VariableMagnitude", ("reward_one_hot", "time"), {}, 5_000_000)
#: Its safe reward is so small that the gamble is always taken. Any probability, so that what there
#: is to know of a gamble is its probability, not in which bands probabilities lie.
_RISK = _settings("RiskyChoice", _SEEN, {"small": 0.05, "low": 0.0, "high": 1.0}, 1_500_000, "all")
_OF_CHOICE: dict[str, Any] = {"target": "reward", "per_action": True}

EXPERIMENT = Experiment(
    name="distributional-dopamine",
    summary="heads that learn expectiles, reversal points of their errors, optimism of units",
    reference="Dabney et al. 2020, Nature 577:671; Muller et al. 2024, Nature Neuroscience",
    conditions={
        "arms": _ARMS.with_options(heads=_heads(**_OF_CHOICE), total_steps=3_000_000),
        "critic": _ARMS.with_options(heads=_heads(), critic="heads", discount=0.0),
        "magnitude": _AMOUNTS.with_options(
            heads=_heads(weight=5.0), critic="heads", discount=0.0, input_gain=3.0
        ),
        "risk": _RISK.with_options(heads=_heads(2, **_OF_CHOICE)),
        "scalar": _ARMS,
    },
    measure=measure,
    half=True,
)
