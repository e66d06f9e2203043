"""What agents know of their own choices, on two dependent arms, beside the exact observer.

A head is asked at every pull whether it is of the better arm. Conditions: `core`, where its
gradient reaches the core; `reader`, where it reads a core that learns to act alone, as a
second-order network does; `outcome`, which never sees which arm is better and learns whether the
pull pays, so that it estimates the probability of the reward; `opt-out`, without a head, where a
third action pays .75 for certain and says nothing of the arms (.5 at first, for agents that always
opt out never learn what else there is). All measures but those of `opt-out` are over trials 6 to
100, and the observer judges the same choices. Measurements: docs/findings/metacognition.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prefrontal.agents.networks.config import HeadConfig
from prefrontal.agents.reference.bandit_optima import correlated_optimal_regret
from prefrontal.agents.reference.opting_out import opt_out_optimal_reward
from prefrontal.analysis.choice.metacognition import (
    calibration_curve,
    calibration_error,
    dependent_arms_observer,
    meta_d,
    rating_counts,
    type2_auroc,
    wager_gain,
)
from prefrontal.analysis.figures.behaviour import curves_by_trial
from prefrontal.analysis.figures.probes import calibration_figure
from prefrontal.analysis.stats.findings import Finding
from prefrontal.envs.bandits import GAP_BANDS
from prefrontal.envs.splits import thue_morse
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.measures import (
    curve_figure,
    regret_by_member,
    regret_finding,
    reward_by_member,
)
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding

SAFE = 0.6  # what opting out of a choice pays, where one that is right pays 1
SURE = 0.75  # what the third action pays
STAGES = (0.5, 0.5, 0.6, 0.65, 0.7, SURE)  # of it, while agents learn
FROM = 5  # trials before are left out
BLOCKS = 5  # of trials, in each of which wagers must gain
LESION_EPISODES = 400
NOISE = 2.0  # of a lesion, in standard deviations of each unit
BARS = {"core": -0.01, "reader": -0.025}


def better_arm(split: str) -> np.ndarray:
    """Return the bands of the better arm's probability in a split, ``[n, 2]``."""
    if split == "all":
        return np.array([[0.5, 1.0]])
    own = np.flatnonzero(np.equal(thue_morse(GAP_BANDS), split == "train"))
    return 0.5 + np.stack([own, own + 1], axis=1) / (2 * GAP_BANDS)


def judged(record: Record, split: str) -> dict[str, np.ndarray]:
    """Return what is known of every choice from trial 6 on, ``[M, E, T - 5]`` each.

    Returns:
        "correct" (0 or 1), "head" (what the head says), "policy" (the policy's own probability of
        the action), "right" and "paid" (the observer's, see `dependent_arms_observer`), "best"
        (which arm is better), "action" and "reward".
    """
    action = record["action"].astype(np.int64)
    right, paid = dependent_arms_observer(action, record["reward"], better_arm(split))
    found = {
        "correct": (action == record["optimal_action"]).astype(np.int64),
        "head": record["head.confidence"][..., 0],
        "policy": np.take_along_axis(record["policy"], action[..., None], axis=-1)[..., 0],
        "right": right,
        "paid": paid,
        "best": record["optimal_action"],
        "action": action,
        "reward": record["reward"],
    }
    return {name: values[:, :, FROM:] for name, values in found.items()}


def m_ratios(said: dict[str, np.ndarray], confidence: np.ndarray) -> np.ndarray:
    """Return the M-ratio of each member, ``[M]``; the better arm is the stimulus."""
    rows = zip(said["best"], said["action"], confidence, strict=True)
    return np.array([meta_d(rating_counts(*row)).ratio for row in rows])


def measure(evaluation: Evaluation) -> Outcome:
    """Measure sensitivity, calibration and wagers of each confidence beside the observer's."""
    findings: list[Finding] = []
    gains: dict[str, np.ndarray] = {}
    calibrated: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name in [name for name in evaluation.conditions if name != "opt-out"]:
        record = evaluation.record(name)
        said = judged(record, evaluation.split)
        findings.append(regret_finding(f"regret, {name}", record))
        findings += _sensitivity(name, said)
        if name == "outcome":
            findings += _outcome(said)
            continue
        findings += _calibration(name, said)
        findings += _wagers(name, said, gains)
        findings += _lesion(evaluation, name)
        for whose, confidence in (("", said["head"]), (", policy", said["policy"])):
            calibrated[name + whose] = calibration_curve(confidence, said["correct"])[:2]
    if {"opt-out", "reader"} <= set(evaluation.conditions):
        findings += _opt_out(evaluation)
    return Outcome(findings, curve_figure(evaluation) + _figures(evaluation, gains, calibrated))


def _sensitivity(name: str, said: dict[str, np.ndarray]) -> list[Finding]:
    area = {key: type2_auroc(said[key], said["correct"]) for key in ("head", "policy", "right")}
    judge: dict[str, Any] = {"bar": BARS[name]} if name in BARS else {}
    return [
        finding(f"AUROC2, {name}", area["head"], optimum=float(area["right"].mean())),
        finding(f"AUROC2 less the observer's, {name}", area["head"] - area["right"], **judge),
        finding(
            f"AUROC2 of the policy's probability less the observer's, {name}",
            area["policy"] - area["right"],
        ),
    ]


def _calibration(name: str, said: dict[str, np.ndarray]) -> list[Finding]:
    judge: dict[str, Any] = {"bar": 0.01} if name == "core" else {}
    optimum = float(calibration_error(said["right"], said["correct"]).mean())
    own = calibration_error(said["policy"], said["correct"])
    over = (said["policy"] - said["correct"]).mean(axis=(1, 2))
    return [
        finding(
            f"calibration error, {name}",
            calibration_error(said["head"], said["correct"]),
            better="lower",
            optimum=optimum,
            note="20 bins of equal width",
            **judge,
        ),
        finding(
            f"calibration error of the policy's probability, {name}",
            own,
            better="lower",
            other=(0.03, 0.05),
            note="other: a rebuild, one member",
        ),
        finding(f"policy's probability less accuracy, {name}", over, better="lower"),
        finding(f"M-ratio, {name}", m_ratios(said, said["head"])),
        finding(f"M-ratio of the observer on the choices of {name}", m_ratios(said, said["right"])),
    ]


def _wagers(name: str, said: dict[str, np.ndarray], gains: dict[str, np.ndarray]) -> list[Finding]:
    """Return what opting out gains where a choice that is right pays 1; by trial into `gains`."""
    gain = wager_gain(said["head"], said["right"], SAFE).mean(axis=1)
    ideal = wager_gain(said["right"], said["right"], SAFE).mean(axis=1)
    empty = np.full((len(gain), FROM), np.nan)
    for whose, one in (("", gain), (", observer", ideal)):
        gains[name + whose] = np.concatenate([empty, one], axis=1)
    blocks = [
        np.stack([part.mean(axis=1) for part in np.array_split(one, BLOCKS, axis=1)])
        for one in (gain, ideal)
    ]
    least = int(blocks[0].mean(axis=1).argmin())
    return [
        finding(
            f"wager's gain a choice, {name}",
            gain.mean(axis=1),
            bar=0.0,
            optimum=float(ideal.mean()),
        ),
        finding(
            f"wager's gain a choice, least of {BLOCKS} parts of the episode, {name}",
            blocks[0][least],
            bar=0.0,
            optimum=float(blocks[1][least].mean()),
        ),
    ]


def _outcome(said: dict[str, np.ndarray]) -> list[Finding]:
    """Return how well a head that saw outcomes alone estimates them, and what that is worth."""
    gain = wager_gain(said["head"], said["paid"], SAFE).mean(axis=(1, 2))
    ideal = wager_gain(said["paid"], said["paid"], SAFE)
    area = type2_auroc(said["paid"], said["correct"])
    error = np.sqrt(np.square(said["head"] - said["paid"]).mean(axis=(1, 2)))
    return [
        finding("AUROC2 of the observer's probability of the reward, outcome", area),
        finding(
            "error of the probability of the reward, outcome",
            error,
            better="lower",
            note="root mean square, from the observer's",
        ),
        finding(
            "calibration error for the reward, outcome",
            calibration_error(said["head"], said["reward"]),
            better="lower",
        ),
        finding(
            "reward gained a pull by opting out, outcome",
            gain,
            bar=0.0,
            optimum=float(ideal.mean()),
        ),
    ]


def _lesion(evaluation: Evaluation, name: str) -> list[Finding]:
    """Return what noise on half of the units that are read takes from choices and confidence.

    It is twice as large as what each unit does by itself (`NOISE`), and is added to what is
    read; the activity that goes on in time is left alone. Actions are the most probable ones.
    """
    episodes = min(LESION_EPISODES, evaluation.episodes)
    record = evaluation.record(name, hidden=True, episodes=episodes)
    model = evaluation.populations[name].model
    hidden, best = record["hidden"][:, :, FROM:], record["optimal_action"][:, :, FROM:]
    units = hidden.shape[-1]
    flat = model.parameters[:, model.nets[0].core_slice().stop :]
    weights = flat.unflatten(1, (-1, units + 1)).numpy()[:, None]
    rng = np.random.default_rng(evaluation.seed)
    half = np.stack([rng.permutation(units) < units // 2 for _ in hidden])
    spread = NOISE * half * hidden.std(axis=(1, 2))
    noise = rng.standard_normal(hidden.shape, np.float32) * spread[:, None, None]
    found = []
    for seen in (hidden, hidden + noise):
        read = seen @ weights[..., :-1].swapaxes(2, 3) + weights[..., -1][:, :, None]
        action = read[..., :2].argmax(axis=-1)
        held = np.take_along_axis(read[..., 3:5], action[..., None], axis=-1)[..., 0]
        right = (action == best).astype(np.int64)
        found.append((right.mean(axis=(1, 2)), type2_auroc(held, right)))
    (accuracy, area), (accuracy_2, area_2) = found
    return [
        finding(f"accuracy lost by noise on half of the units, {name}", accuracy - accuracy_2),
        finding(f"AUROC2 lost by noise on half of the units, {name}", area - area_2),
        finding(f"AUROC2 lost less accuracy lost, {name}", area - area_2 - accuracy + accuracy_2),
    ]


def _opt_out(evaluation: Evaluation) -> list[Finding]:
    """Return what agents gain that may opt out, over agents that may not, on all tasks."""
    free, bound = (evaluation.record(name, split="all") for name in ("opt-out", "reader"))
    trials = free["action"].shape[2]
    best = opt_out_optimal_reward(SURE, trials)
    gain = reward_by_member(free) - reward_by_member(bound)
    never = 0.75 * trials - correlated_optimal_regret("uniform", trials)
    late = (free["action"] == 2)[:, :, -20:].mean(axis=2)
    worth = free["task.p"].max(axis=-1) < SURE
    shares = [(late * rows).sum(axis=1) / rows.sum(axis=1) for rows in (worth, ~worth)]
    return [
        finding("reward of an episode, opt-out", reward_by_member(free), optimum=best),
        finding(
            "reward gained an episode by opting out",
            gain,
            bar=0.0,
            optimum=best - never,
            note="over reader, which cannot, on the same tasks",
        ),
        finding("opting out, last 20 trials, where it pays", shares[0]),
        finding("opting out, last 20 trials, where it does not", shares[1], better="lower"),
        finding("regret, opt-out", regret_by_member(free), better="lower"),
    ]


def _figures(evaluation: Evaluation, gains: Any, calibrated: Any) -> list[Any]:
    if not (evaluation.figures and gains):
        return []
    folder = evaluation.folder
    by_trial = curves_by_trial(
        gains,
        folder / "wager_gain.png",
        "gain over never opting out",
        {"never opting out": 0.0},
        episodes=evaluation.episodes,
    )
    return [calibration_figure(calibrated, folder / "calibration.png"), by_trial]


def levels(settings: cfg.Settings) -> dict[str, float]:
    """Return the reward of the optimum and of random pulls."""
    kwargs = settings.environment.kwargs
    trials, safe = kwargs["trials"], kwargs.get("opt_out", 0.0)
    return {"optimum": opt_out_optimal_reward(safe, trials), "chance": trials / 2}


def _conditions() -> dict[str, cfg.Settings]:
    plain = cfg.Settings(
        cfg.EnvironmentSpec(
            "prefrontal/CorrelatedBandit-v0",
            ("action", "centred_reward", "time"),
            {"distribution": "uniform", "trials": 100},
        ),
        cfg.NetworkConfig(),
        cfg.A2CConfig(learning_rate=1e-2, discount=0.6, entropy_coef=0.1),
        cfg.TrainingConfig(num_envs=16, total_steps=1_000_000),
    )

    def asked(target: str, into_core: bool) -> cfg.Settings:
        head = HeadConfig(
            "confidence",
            target,
            loss="cross_entropy",
            weight=0.5,
            per_action=True,
            into_core=into_core,
        )
        return plain.with_options(heads=(head,))

    return {
        "core": asked("correct", True),
        "reader": asked("correct", False),
        "outcome": asked("reward", True),
        "opt-out": plain.with_options(
            opt_out=SURE,
            discount_final=0.95,
            stages=tuple({"opt_out": sure} for sure in STAGES),
            total_steps=1_500_000,
        ),
    }


EXPERIMENT = Experiment(
    name="metacognition",
    summary="confidence and wagers of bandit agents beside the exact observer of their choices",
    reference="Maniscalco & Lau 2012, Consciousness and Cognition 21 (method)",
    conditions=_conditions(),
    measure=measure,
    levels=levels,
)
