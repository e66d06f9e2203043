"""Attention as an agent's memory: learned from reward, and from being told the best arm.

Conditions: `rl2-5x10` and `harlow` are the tasks of `duan2016-bandits` and `wang2018-harlow`,
learned by A2C with attention in place of the LSTM. The `supervised` ones never learn from reward:
they watch random pulls of two independent arms and are told the best one (decision pretraining).
An agent that samples from a perfect fit is Thompson sampling, whose regret is known exactly.
Controls: an LSTM told the same (`supervised-lstm`), and no reward among the inputs
(`supervised-no-reward`). These learn and are measured on all tasks, because the posterior of
Thompson sampling is that of the whole square. Measurements: docs/findings/attention-bandit.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import betainc, betaln

from prefrontal.agents.reference.bandit_optima import bayes_optimal_regret
from prefrontal.agents.reference.counting import Greedy, Thompson
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits.duan2016_bandits import EXPERIMENT as RL2
from prefrontal.experiments.bandits.measures import (
    curve_figure,
    reference_regret,
    regret_by_member,
    regret_figure,
    regret_finding,
    reward_by_member,
)
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.prefrontal.wang2018_harlow import EXPERIMENT as HARLOW
from prefrontal.experiments.prefrontal.wang2018_harlow import right_choices

THOMPSON, CHANCE = 2.79, 16.6  # regret over 100 pulls, computed
NEAR = 0.15
FEWER = 1000  # episodes where attention over a hundred steps makes them slow
SHUFFLED, PULLS = 500, 20  # episodes, and pulls of the contexts that are shuffled


def measure(evaluation: Evaluation) -> Outcome:
    """Measure reward, learning set, and regret beside that of Thompson sampling."""
    findings: list[Finding] = []
    figures = curve_figure(
        evaluation, conditions=[c for c in LEARNED if c in evaluation.conditions]
    )
    if "rl2-5x10" in evaluation.conditions:
        findings += _from_reward(evaluation)
    if "harlow" in evaluation.conditions:
        right = right_choices(evaluation.record("harlow")).mean(axis=1)
        findings.append(
            finding("accuracy, trial 2, harlow", right[:, 1], bar=0.97, optimum=1.0, failure=0.9)
        )
        findings.append(finding("accuracy, last trial, harlow", right[:, -1], optimum=1.0))
    for condition in ("supervised", "supervised-lstm"):
        if condition in evaluation.conditions:
            more, drawn = _supervised(evaluation, condition)
            findings, figures = findings + more, figures + drawn
    if "supervised-no-reward" in evaluation.conditions:
        record = evaluation.record("supervised-no-reward", episodes=_fewer(evaluation))
        bar: dict[str, Any] = {"bar": (CHANCE - 0.3, CHANCE + 0.3), "better": "near"}
        note = "other: computed, random pulls"
        values = regret_by_member(record)
        findings.append(
            finding("regret, supervised-no-reward (chance)", values, other=CHANCE, note=note, **bar)
        )
    return Outcome(findings, figures)


def _fewer(evaluation: Evaluation) -> int:
    return min(FEWER, evaluation.episodes)


def _from_reward(evaluation: Evaluation) -> list[Finding]:
    """Return the reward of attention on five arms and ten pulls, all and held-out tasks."""
    everything, held_out = evaluation.record("rl2-5x10", split="all"), evaluation.record("rl2-5x10")
    return [
        finding(
            "reward, rl2-5x10",
            reward_by_member(everything),
            published=6.7,
            other=6.6,
            bar=6.6,
            note="published: RL²; other: SNAIL, 6.6 ± .1 (Mishra et al. 2018)",
        ),
        finding(f"reward, rl2-5x10, {evaluation.split} tasks", reward_by_member(held_out)),
    ]


def _supervised(evaluation: Evaluation, condition: str) -> tuple[list[Finding], list[Any]]:
    """Return the regret over 100 and 200 pulls, the fit of the policy, and the order's effect."""
    findings, figures = [], []
    for trials in (100, 200):
        record = evaluation.record(condition, episodes=_fewer(evaluation), trials=trials)
        arms = np.repeat(record["task.p"][:, :, None], trials, axis=2)
        policies = {p.name: p for p in (Thompson(), Greedy())}
        references = reference_regret(policies, arms, evaluation.seed)
        theirs = {name: float(each.sum(axis=2).mean()) for name, each in references.items()}
        where = f"{condition}, {trials} pulls"
        bar: dict[str, Any] = {}
        if trials == 100 and condition == "supervised":
            bar = {"bar": (THOMPSON - NEAR, THOMPSON + NEAR), "other": THOMPSON}
            bar |= {"note": "other: Thompson sampling, computed"}
            figures = regret_figure(
                evaluation, record, references, None, "regret", "told the best of two arms"
            )
        values, optimum = regret_by_member(record), bayes_optimal_regret(trials)
        apart = values - references[Thompson().name].sum(axis=2).mean(axis=1)
        findings += [
            finding(f"regret, {where}", values, better="near" if bar else "lower", **bar)
            if bar
            else regret_finding(f"regret, {where}", record, optimum=optimum),
            finding(f"regret, {where}, less Thompson's on the same tasks", apart),
            finding(
                f"distance of the policy from the posterior, {where}",
                np.abs(record["policy"][..., 1] - posterior(record)).mean(axis=(1, 2)),
                note="mean total variation over the histories met",
            ),
            *(
                Finding(f"reference, {trials} pulls: {name}", mean, better="lower", optimum=optimum)
                for name, mean in theirs.items()
                if condition == "supervised"
            ),
        ]
    findings += _shuffled(evaluation, condition)
    return findings, figures


def posterior(record: Record) -> np.ndarray:
    """Return the exact probability that the second of two arms is the better one, ``[M, E, T]``.

    It is that before each pull, under independent uniform priors: ``∫ f(p_2) F(p_1 = p_2) dp_2`` of
    Beta distributions, by the rule of midpoints.
    """
    counts = []
    for arm in (0, 1):
        for outcome in (1, 0):
            hit = (record["action"] == arm) & (record["reward"] == outcome)
            counts.append(hit.cumsum(axis=2) - hit)
    kinds, index = np.unique(np.stack(counts, -1).reshape(-1, 4), axis=0, return_inverse=True)
    p = (np.arange(400) + 0.5) / 400
    a, b, c, d = (kinds[:, [each]] + 1.0 for each in range(4))
    density = np.exp((c - 1) * np.log(p) + (d - 1) * np.log1p(-p) - betaln(c, d))
    better = (density * betainc(a, b, p)).mean(axis=1)
    return better[index.reshape(-1)].reshape(record["action"].shape)


def _shuffled(evaluation: Evaluation, condition: str) -> list[Finding]:
    """Return how much the policy changes when the past pulls change places."""
    episodes = min(SHUFFLED, evaluation.episodes)
    record = evaluation.record(condition, episodes=episodes, hidden=True)
    seen = record["observation"][:, :, : PULLS + 1]
    rng = np.random.default_rng([evaluation.seed, 3])
    agents, findings = evaluation.populations[condition], []
    before = policy_after(agents, seen)
    for what, number in (("all past pulls", PULLS), ("all but the last", PULLS - 1)):
        order = np.argsort(rng.random((*seen.shape[:2], number)), axis=2) + 1
        moved = seen.copy()
        moved[:, :, 1 : number + 1] = np.take_along_axis(seen, order[..., None], axis=2)
        changed = np.abs(policy_after(agents, moved) - before)[..., 1].mean(axis=1)
        findings.append(
            finding(f"change of the policy by shuffling {what}, {condition}", changed, optimum=0.0)
        )
    return findings


def policy_after(agents: Any, observations: np.ndarray) -> np.ndarray:
    """Return the policy after observations ``[M, E, T, I]``, ``[M, E, K]``."""
    import torch

    from prefrontal.agents.networks.actor_critic import write_inputs

    model, steps = agents.model, observations.shape[2]
    tapes = model.tapes(steps, observations.shape[1])
    model.begin(tapes)
    write_inputs(tapes, torch.from_numpy(observations).permute(2, 0, 3, 1))
    for t in range(steps):
        logits = model.step(tapes, t)
    return np.asarray(logits.softmax(1).transpose(1, 2).detach())


def _told(core: str, steps: int, inputs: tuple[str, ...], **network: Any) -> cfg.Settings:
    return cfg.Settings(
        cfg.EnvironmentSpec("prefrontal/TwoArmedBandit-v0", inputs, {"trials": 100}, split="all"),
        cfg.NetworkConfig(core=core, input_gain=3.0, **network),
        cfg.DecisionPretrainedConfig(),
        cfg.TrainingConfig(num_envs=8, total_steps=steps),
    )


#: Memory for contexts twice as long as those of training.
ATTENTION = {"heads": 8, "memory": 200}
SEEN = ("action", "centred_reward")
LEARNED = ("rl2-5x10", "harlow")


def _conditions() -> dict[str, cfg.Settings]:
    attention: dict[str, Any] = {
        "core": "attention",
        "hidden_size": 32,
        "critic": "privileged",
        "normalise_advantages": True,
    }
    rl2 = RL2.conditions["5x10"].with_options(**attention, core_kwargs={"heads": 4, "memory": 10})
    harlow = HARLOW.conditions["abstract"].with_options(
        **attention,
        core_kwargs={"heads": 4, "memory": 6},
        total_steps=1_000_000,
        entropy_coef=0.2,  # with less, some members learn half of the rule
    )
    small: dict[str, Any] = {"hidden_size": 32, "core_kwargs": ATTENTION}
    return {
        "supervised": _told("attention", 3_000_000, SEEN, **small),
        "supervised-lstm": _told("lstm", 3_000_000, SEEN),
        "supervised-no-reward": _told("attention", 300_000, ("action",), **small),
        "rl2-5x10": rl2,
        "harlow": harlow,
    }


EXPERIMENT = Experiment(
    name="attention-bandit",
    summary="attention in place of the LSTM, and told the best arm: Thompson sampling",
    reference="Mishra et al. 2018, ICLR, table 3; Lee et al. 2023, NeurIPS (decision pretraining)",
    conditions=_conditions(),
    measure=measure,
)
