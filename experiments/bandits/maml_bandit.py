"""What gradient steps within an episode can earn on bandits, and what a recurrent network does.

Mishra et al. (2018, SNAIL, table 3) put MAML beside recurrent networks on the bandits of Duan et
al. (2016). Here the agents that adapt by gradient have the least policy that a bandit needs, a
logit for each arm, and all pulls of an episode count, those before an update too. An agent without
memory that updates its policy once cannot pass a ceiling, which is computed.

Conditions are named ARMSxPULLS and: `maml-1`, `maml-5`, `maml-10`, exact MAML with so many updates
in an episode, whose step sizes and baselines are learned too (of ten pulls, the tenth update comes
after the last); `first-order` and `reptile`, with one update; `fixed`, one update with step size .5
on the mean gradient of bare logits, a published default; `rl2`, the recurrent network of
`duan2016-bandits`, with as many environment steps as `maml-1`. Measurements:
docs/findings/maml-bandit.md.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prefrontal.agents.gradient_policies.config import LogitsConfig, MetaGradientConfig
from prefrontal.agents.reference.counting import Gittins
from prefrontal.agents.reference.one_update import Ceiling, best_one_update, one_update
from prefrontal.analysis.figures.learning import bars_with_members
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments import settings as cfg
from prefrontal.experiments.bandits import duan2016_bandits
from prefrontal.experiments.bandits.measures import (
    curve_figure,
    reference_regret,
    reward_by_member,
)
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import Experiment, Outcome, finding

ARMS = 5
#: Pulls of an episode: bounds of the reward of one update, around the computed ceilings 5.93 and
#: 70.6; how far the recurrent network should be ahead; published rewards.
ONE = {10: (5.83, 6.03), 100: (69.6, 71.6)}
AHEAD = {10: 0.5, 100: 5.0}
PUBLISHED = {
    10: {"maml-1": 6.5, "rl2": 6.7},
    100: {"maml-1": 67.1, "rl2": 78.7},
}
GITTINS = {10: 0.9, 100: 0.99}  # discounts
CHANCE = (
    49.7,
    51.7,
)  # around 50.7, what one step of size .5 reaches where it learns from 100 pulls


def measure(evaluation: Evaluation) -> Outcome:
    """Measure rewards on held-out bandits beside ceilings, and differences between agents."""
    findings: list[Finding] = []
    figures = curve_figure(evaluation)
    for pulls in ONE:
        start = f"{ARMS}x{pulls}-"
        names = [name for name in evaluation.conditions if name.startswith(start)]
        rewards = {
            name.removeprefix(start): reward_by_member(evaluation.record(name)) for name in names
        }
        if not rewards:
            continue
        findings += [_reward(pulls, agent, values) for agent, values in rewards.items()]
        findings += _differences(pulls, rewards)
        findings += _ceilings(pulls)
        findings.append(_gittins(evaluation, names[0], pulls))
        figures += _figures(evaluation, pulls, rewards)
    return Outcome(findings, figures)


def _reward(pulls: int, agent: str, values: np.ndarray) -> Finding:
    held: dict[str, Any] = {"published": PUBLISHED[pulls].get(agent)}
    if agent == "maml-1":
        held |= {"bar": ONE[pulls], "better": "near", "note": "published: SNAIL, table 3, MAML"}
    elif agent == "rl2":
        held |= {"note": "published: SNAIL, table 3, LSTM"}
    elif agent == "fixed" and pulls == 100:
        held |= {"bar": CHANCE, "better": "near", "note": "chance is 50"}
    return finding(f"reward, {ARMS}x{pulls}, {agent}", values, **held)


def _differences(pulls: int, rewards: dict[str, np.ndarray]) -> list[Finding]:
    """Compare agents on the same bandits, member by member."""
    pairs: list[tuple[str, str, dict[str, Any]]] = [
        ("maml-10", "maml-1", {"bar": 0.0}),
        ("maml-5", "maml-1", {}),
        ("maml-10", "maml-5", {}),
        ("maml-1", "first-order", {}),
        ("maml-1", "reptile", {}),
        ("rl2", "maml-1", {"bar": AHEAD[pulls]}),
        ("rl2", "maml-10", {}),
    ]
    return [
        finding(f"reward, {ARMS}x{pulls}, {one} less {other}", rewards[one] - rewards[other], **bar)
        for one, other, bar in pairs
        if {one, other} <= set(rewards) and len(rewards[one]) == len(rewards[other])
    ]


def _ceilings(pulls: int) -> list[Finding]:
    """Return what one update can earn, with the standard error of the computation."""
    fifth, what = pulls // 5, f"ceiling, {ARMS}x{pulls}"
    candidates = range(max(1, pulls // 10), pulls // 3 + 1)
    best, gradient = best_one_update(ARMS, pulls, candidates, "gradient")
    explore, commit = best_one_update(ARMS, pulls, candidates, "commit")
    found = {
        f"one gradient step after {fifth} pulls": one_update(ARMS, pulls, fifth),
        f"one gradient step after the best {best} pulls": gradient,
        f"explore {explore} pulls, then commit": commit,
        f"step .5 after {fifth} pulls": one_update(ARMS, pulls, fifth, step=0.5),
    }
    counted = [Finding(f"{what}: {name}", *_ends(one)) for name, one in found.items()]
    fresh = partial(one_update, ARMS, pulls, pulls, fresh=True)
    note = "the pulls before the update do not count, as many follow"
    return [
        *counted,
        Finding(f"{what}: one gradient step, fresh pulls", *_ends(fresh()), note=note),
        Finding(f"{what}: step .5, fresh pulls", *_ends(fresh(step=0.5)), note=note),
    ]


def _ends(ceiling: Ceiling) -> tuple[float, float, float]:
    """Return the value with the ends of its 95 % interval."""
    half = 1.96 * ceiling.error
    return ceiling.value, ceiling.value - half, ceiling.value + half


def _gittins(evaluation: Evaluation, condition: str, pulls: int) -> Finding:
    """Return the reward of the Gittins index on the same bandits."""
    p = evaluation.record(condition)["task.p"]
    policy = Gittins(GITTINS[pulls])
    paths = np.repeat(p[:, :, None], pulls, axis=2)
    regret = reference_regret({"it": policy}, paths, evaluation.seed)["it"].sum(2)
    value = (p.max(2) * pulls - regret).mean()
    published = {10: 6.6, 100: 78.3}[pulls]
    return Finding(f"reference, {ARMS}x{pulls}: {policy.name}", float(value), published=published)


def _figures(evaluation: Evaluation, pulls: int, rewards: dict[str, np.ndarray]) -> list[Path]:
    if not evaluation.figures:
        return []
    published = {agent: number for agent, number in PUBLISHED[pulls].items() if agent in rewards}
    path = evaluation.folder / f"rewards_{pulls}.png"
    return [
        bars_with_members(
            {agent: {"members": values} for agent, values in rewards.items()},
            path,
            f"reward of {pulls} pulls",
            published,
            ylim=(0.45 * pulls, 0.82 * pulls if pulls > 10 else 0.7 * pulls),
            episodes=evaluation.episodes,
        )
    ]


# CONDITIONS

#: Pulls after which logits are updated, by the number of updates.
UPDATES: dict[int, dict[int, tuple[int, ...]]] = {
    10: {1: (2,), 5: (1, 2, 4, 6, 8), 10: tuple(range(1, 11))},
    100: {1: (20,), 5: (10, 20, 30, 45, 60), 10: tuple(range(5, 55, 5))},
}


def _recurrent(pulls: int) -> cfg.Settings:
    return duan2016_bandits.EXPERIMENT.conditions[f"{ARMS}x{pulls}"]


def _conditions(pulls: int) -> dict[str, cfg.Settings]:
    """Return the settings of all agents with so many pulls."""
    recurrent = _recurrent(pulls)
    spec = replace(recurrent.environment, inputs=("reward",))
    steps = recurrent.training.total_steps
    one = LogitsConfig(UPDATES[pulls][1], inner_step=50.0)
    exact = MetaGradientConfig()
    training = cfg.TrainingConfig(num_envs=256 if pulls == 10 else 128, total_steps=steps)
    # Nothing, or little, is left to learn where step sizes are given
    short = replace(training, total_steps=steps // 4)
    many = {u: LogitsConfig(UPDATES[pulls][u]) for u in (5, 10)}
    made = {
        "maml-1": cfg.Settings(spec, one, exact, training),
        **{f"maml-{u}": cfg.Settings(spec, net, exact, training) for u, net in many.items()},
        "first-order": cfg.Settings(spec, one, replace(exact, outer="first-order"), training),
        "reptile": cfg.Settings(
            spec, replace(one, inner_step=100.0), replace(exact, outer="reptile"), short
        ),
        "fixed": cfg.Settings(
            spec, replace(one, inner_step=0.5), replace(exact, learned="logits"), short
        ),
    }
    return {f"{ARMS}x{pulls}-{name}": one for name, one in made.items()}


EXPERIMENT = Experiment(
    name="maml-bandit",
    summary="agents that adapt by gradient on bandits, beside the ceilings of one update and RL²",
    reference="Mishra et al. 2018, A simple neural attentive meta-learner, ICLR, table 3",
    conditions={
        **_conditions(10),
        **_conditions(100),
        **{f"{ARMS}x{pulls}-rl2": _recurrent(pulls) for pulls in ONE},
    },
    measure=measure,
    half=True,
    levels=duan2016_bandits.EXPERIMENT.levels,
)
