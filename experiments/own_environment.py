"""Any Gymnasium environment: what ``prefrontal train TASK`` trains, and how it is measured.

Most control tasks show their whole state, so that the default core has no memory: ``--core lstm``
is for tasks that hide some of it. Named settings are in `prefrontal.experiments.presets`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prefrontal.agents.common.errors import ConfigError
from prefrontal.analysis.choice.bandits import optimal_fraction, total_regret
from prefrontal.analysis.figures.portrait import (
    choices_by_trial,
    outcome_by_trial,
    states_or_values,
)
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.bandits.measures import curve_figure, reward_by_member
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding, worst_member
from prefrontal.experiments.presets import find_preset
from prefrontal.experiments.settings import (
    A2CConfig,
    CriticConfig,
    EnvironmentSpec,
    NetworkConfig,
    Settings,
)


def settings_for(
    env_id: str,
    base: Settings | None = None,
    preset: str | None = None,
    core: str | None = None,
) -> Settings:
    """Return settings for an environment.

    Args:
        env_id: Gymnasium id.
        base: Settings to start from; default: such as suit our tasks, or a preset.
        preset: Name of the preset of an environment that is not ours; default: `memory` if a core
            is named that has one, else `control`.
        core: Core that is named, which takes the place of the preset's.

    Raises:
        ConfigError: There is no such environment or preset, or presets are not for it.
    """
    from prefrontal.agents.rollout.environments import is_native

    native = is_native(env_id)
    if preset is not None and (native or base is not None):
        whose = env_id if native else "an experiment"
        raise ConfigError(
            f"presets are for environments that are not ours: {whose} has settings of its own; "
            "leave out --preset"
        )
    if base is not None:
        inputs = base.environment.inputs if native else ("action", "reward")
        algorithm = base.algorithm
        if isinstance(algorithm, A2CConfig) and not native:  # only ours can show their task
            algorithm = replace(algorithm, critic=CriticConfig("own"))
        return replace(base, environment=EnvironmentSpec(env_id, inputs, {}), algorithm=algorithm)
    if native:  # small batches, a short horizon first, and a critic that sees the task
        return Settings(
            EnvironmentSpec(env_id, ("action", "centred_reward", "time"), {}),
            NetworkConfig(input_gain=3.0),
            A2CConfig(
                learning_rate=7e-3,
                discount=0.8,
                discount_final=0.97,
                gae_lambda=0.95,
                entropy_coef=0.05,
                entropy_anneal=0.7,
                normalise_advantages=True,
                critic=CriticConfig("privileged"),
                passes=4,
            ),
        )
    if preset is None:
        preset = "control" if core in (None, "none", "relu") else "memory"
    return Settings(EnvironmentSpec(env_id, (), {})).with_options(**find_preset(preset).options)


# --- what is measured ---


@dataclass(frozen=True)
class Played:
    """The agents and the random policy on the same tasks.

    Attributes:
        agent: Record of the agents.
        random: Record of the random policy, on the same tasks with the same noise.
    """

    agent: Record
    random: Record

    @property
    def oracle(self) -> float | None:
        """Mean return of one who knows the task and takes the best reward of every step.

        None where nobody can say: the environment tells no ``optimal_reward``, or choices change
        what comes later, so that the best rewards of two players differ.
        """
        best, others = (record.get("optimal_reward") for record in (self.agent, self.random))
        if best is None or others is None or not np.array_equal(best, others):
            return None
        return float(best.sum(axis=2).mean())

    @property
    def axis(self) -> str:
        """What the columns of curves are: trials, or steps where a trial may have several."""
        trial = self.agent.get("trial")
        count = self.agent["reward"].shape[2]
        return "trial" if trial is not None and (trial == np.arange(count)).all() else "step"


def _play(evaluation: Evaluation, condition: str, split: str | None = None) -> Played:
    return Played(
        evaluation.record(condition, split=split),
        evaluation.record(condition, split=split, random=True),
    )


def _measure(evaluation: Evaluation) -> Outcome:
    """Measure return, regret and choices against the random policy and the oracle of the facts."""
    findings: list[Finding] = []
    figures: list[Path] = []
    for condition in evaluation.conditions:
        played = _play(evaluation, condition)
        where = "" if condition == "default" else f", {condition}"
        findings += _returns(played, where) + _best(evaluation, condition, where)
        findings += _regrets(played, where)
        findings += _choices(played, where) + _splits(evaluation, condition, where)
        findings += _inner(played, where)
        if evaluation.figures:
            figures += _figures(evaluation, condition, played)
    return Outcome(findings, figures)


def _returns(played: Played, where: str) -> list[Finding]:
    """Return the reward of an episode, and its length where it is not fixed."""
    ours, theirs = reward_by_member(played.agent), reward_by_member(played.random)
    found = [
        finding("return per episode", ours, where=where),
        finding("return per episode, random policy", theirs, where=where),
        finding("return per episode less the random policy's", ours - theirs, where=where),
    ]
    if played.oracle is not None:
        note = "an upper bound: knows the task; the best expected reward of every step"
        name = f"return per episode, oracle of the facts{where}"
        found[0] = replace(found[0], bound=played.oracle)
        found.append(Finding(name, played.oracle, note=note))
    if "mask" in played.agent:
        for name, record in (("", played.agent), (", random policy", played.random)):
            if "mask" in record:
                steps = record["mask"].sum(axis=2).mean(axis=1)
                found.append(finding(f"steps per episode{name}", steps, where=where))
    return found


def _best(evaluation: Evaluation, condition: str, where: str) -> list[Finding]:
    """Return what agents earn that take the most probable actions, where they draw them else.

    Of environments that are not ours, whose other measurements are mostly of such agents.
    """
    from prefrontal.agents.rollout.environments import is_native

    agents = evaluation.populations[condition]
    env_id = evaluation.settings[condition].environment.id
    if getattr(agents, "greedy", True) or is_native(env_id):
        return []
    drawn, best = (
        evaluation.record(condition, deterministic=best)["reward"].sum(axis=2)
        for best in (False, True)
    )
    note = "most probable actions; the return above is of actions drawn from the policy"
    return [
        worst_member(f"return per episode, worst member{where}", drawn, "higher"),
        finding("return per episode, best actions", best.mean(axis=1), where=where, note=note),
        worst_member(f"return per episode, best actions, worst member{where}", best, "higher"),
    ]


def _regrets(played: Played, where: str) -> list[Finding]:
    """Return the regret of episodes and of their ends, where the environment tells it."""
    records = played.agent, played.random
    if any("regret" not in one or one["regret"].min() < -1e-6 for one in records):
        return []  # or the best reward of a step is not the largest, for one who must explore
    ours, theirs = total_regret(played.agent["regret"]), total_regret(played.random["regret"])
    curve = played.agent["regret"].mean(axis=1)
    first, last = _ends(curve)
    along = "" if played.oracle is not None else "against the best choice now, on the way taken"
    found = [
        finding("regret per episode", ours, where=where, better="lower", note=along),
        finding("regret per episode, random policy", theirs, where=where, better="lower"),
        finding(f"regret a {played.axis}, first tenth", first, where=where, better="lower"),
        finding(f"regret a {played.axis}, last tenth", last, where=where, better="lower"),
    ]
    if played.oracle is not None and (theirs > 0).all():
        name, note = "share of the way from random to oracle", "1 - regret / random policy's regret"
        found.append(finding(name, 1 - ours / theirs, where=where, note=note))
    return found


def _inner(played: Played, where: str) -> list[Finding]:
    """Return what inner episodes pay, first and last, where an episode has several."""
    record = played.agent
    if "mask" not in record or "trial" not in record or not record["trial"].any():
        return []
    paid, last = record["reward"] * record["mask"], int(record["trial"].max())
    first, final = (
        (paid * (record["trial"] == trial)).sum(axis=2).mean(axis=1) for trial in (0, last)
    )
    return [
        finding("return of the first inner episode", first, where=where),
        finding(f"return of inner episode {last + 1}, the last", final, where=where),
        finding("return of the last inner episode less the first's", final - first, where=where),
    ]


def _choices(played: Played, where: str) -> list[Finding]:
    """Return how often the best action was chosen, where the environment tells it."""
    if "optimal_action" not in played.agent:
        return []
    curve = optimal_fraction(played.agent["action"], played.agent["optimal_action"])
    random = optimal_fraction(played.random["action"], played.random["optimal_action"])
    name = "share of optimal choices"
    return [
        finding(name, curve.mean(axis=1), where=where, within=(0, 1)),
        finding(f"{name}, last tenth", _ends(curve)[1], where=where, within=(0, 1)),
        finding(f"{name}, random policy", random.mean(axis=1), where=where, within=(0, 1)),
    ]


def _ends(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means over the first and the last tenth of curves ``[M, T]``."""
    tenth = max(1, curve.shape[1] // 10)
    return curve[:, :tenth].mean(axis=1), curve[:, -tenth:].mean(axis=1)


def _splits(evaluation: Evaluation, condition: str, where: str) -> list[Finding]:
    """Return the return on tasks of training, and how much of it is lost on others."""
    from prefrontal.agents.rollout.environments import is_native

    spec = evaluation.settings[condition].environment
    if evaluation.split == "train" or spec.split != "train" or not is_native(spec.id):
        return []
    here, train = _play(evaluation, condition), _play(evaluation, condition, split="train")
    above = [reward_by_member(one.agent) - reward_by_member(one.random) for one in (train, here)]
    name = "generalisation gap of the return above random"
    note = f"train tasks less {evaluation.split.replace('_', '-')} ones"
    trained = reward_by_member(train.agent)
    return [
        finding("return per episode, train tasks", trained, where=where),
        finding(name, above[0] - above[1], where=where, better="lower", note=note),
    ]


def _figures(evaluation: Evaluation, condition: str, played: Played) -> list[Path]:
    """Draw learning, reward or regret by trial, choices, and what goes on inside."""
    folder = evaluation.folder if condition == "default" else evaluation.folder / condition
    trained = _play(evaluation, condition, split=evaluation.settings[condition].environment.split)
    lines = {"random policy": float(reward_by_member(trained.random).mean())}
    if trained.oracle is not None:
        lines["bound: oracle of the facts"] = trained.oracle
    inside = evaluation.record(condition, episodes=min(200, evaluation.episodes), hidden=True)
    return [
        *curve_figure(evaluation, lines, [condition]),
        outcome_by_trial(played.agent, played.random, folder, played.axis),
        choices_by_trial(played.agent, played.random, folder / "choices.png", played.axis),
        states_or_values(inside, folder, played.axis),
    ]


EXPERIMENT = Experiment(
    name="own-environment",
    summary="any task of yours or Gymnasium environment: prefrontal train TASK",
    reference="yours",
    conditions={"default": Settings(EnvironmentSpec("prefrontal/TwoArmedBandit-v0"))},
    measure=_measure,
)
