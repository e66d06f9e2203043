"""Agents as subjects: which model of choice is theirs, and how many units do their policies need?

Agents of the two-step task (Wang et al. 2018, the compact form) are put where people and animals
usually are: their choices are all that is known of them. Beside them stand observers that play on
the same schedules and follow a rule that is known, planning (model-based), learning from reward
(model-free) or half of each, with parameters that differ from subject to subject. Three models of
choice are fitted to all of them and compared by Bayesian model selection; each should find its own.
Then small recurrent networks are fitted to the agents' choices, as Ji-An, Benna & Mattar (2025) fit
them to those of people and animals, until they predict held-out choices as well as the agent's own
policy does. Measurements: docs/findings/behaviour-of-agents.md.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrontal.analysis.choice.hybrid_model import Hybrid
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.two_step import wang2018_two_step

SUBJECTS = 30  # of each member, and of each observer on its schedules
SESSIONS = 2  # episodes of a subject
KINDS = ("mb", "mf", "hybrid")  # models of choice
WORDS = {"mb": "model-based", "mf": "model-free", "hybrid": "hybrid"}
WEIGHT = {"mb": 1.0, "mf": 0.0, "hybrid": 0.5}  # of planning, in the observers
OWN = 0.9  # least share of subjects that belong to their own model
UNITS = (1, 2, 3, 4, 8)
HELD_OUT = 1 / 3  # of the episodes, for networks
ENOUGH = 0.95  # share of what the agent's own policy tells that a network must tell
Array = NDArray[np.float64]


def measure(evaluation: Evaluation) -> Outcome:
    """Measure model frequencies of agents and observers, and what small networks tell."""
    episodes = min(evaluation.episodes, SUBJECTS * SESSIONS)
    record = evaluation.record(episodes=episodes)
    subjects = {"agents": of_agents(record)}
    for kind in KINDS:
        subjects[f"{WORDS[kind]} observers"] = of_observers(kind, record, evaluation.seed)
    own = dict(zip(subjects, ("mb", *KINDS), strict=True))
    findings, shares = [], {}
    for who, tables in subjects.items():
        shares[who] = np.stack([frequencies(one, evaluation.seed) for one in tables])
        for column, kind in enumerate(KINDS):
            bar = {"bar": OWN, "better": "higher"} if kind == own[who] else {}
            name = f"share of {who} whose model is {WORDS[kind]}"
            findings.append(finding(name, shares[who][:, column], within=(0.0, 1.0), **bar))
    told = np.stack([networks(one, record, m) for m, one in enumerate(of_agents(record))])
    findings += _network_findings(told)
    return Outcome(findings, _figures(evaluation, shares, told))


def of_agents(record: Record) -> list[Any]:
    """Return the choices of each member as a table: its episodes are sessions of `SUBJECTS`."""
    from prefrontal.behaviour.agents.records import of_record

    common = wang2018_two_step.EXPERIMENT.conditions["compact"].environment.kwargs
    whole = of_record(record, subjects="episode", common=common.get("transition", 0.8))
    members = len(record["action"])
    each = len(whole) // members
    return [grouped(whole.select(np.arange(m * each, (m + 1) * each))) for m in range(members)]


def grouped(table: Any) -> Any:
    """Return episodes as subjects with `SESSIONS` sessions each."""
    from prefrontal.behaviour.table import behaviour

    sessions = min(SESSIONS, len(table))
    count = len(table) // sessions

    def joined(values: NDArray) -> NDArray:
        return values[: count * sessions].reshape(count, -1)

    session = np.repeat(np.arange(sessions), table.trials)
    session = np.broadcast_to(session, (count, len(session)))
    return behaviour(
        joined(table.choice),
        joined(table.reward),
        2,
        state2=joined(table.state2),
        common=table.common,
        mapping=np.tile([0, 1], (count, 1)),
        session=session,
        block=session,
    )


def of_observers(kind: str, record: Record, seed: int) -> list[Any]:
    """Return what observers do on the schedules of each member, as tables.

    Rates are uniform from .3 to .8, inverse temperatures from 4 to 10, perseverations (in units of
    preference) from 0 to .5; the trace is 1.
    """
    from prefrontal.behaviour.table import behaviour

    task, found = wang2018_two_step.EXPERIMENT.conditions["compact"].environment, []
    common, pays = task.kwargs.get("transition", 0.8), task.kwargs.get("reward", 0.9)
    good = record["task.good"]  # [M, E, N]
    for member, schedule in enumerate(good):
        rng = np.random.default_rng([seed, member, KINDS.index(kind)])
        p = np.where(schedule[..., None] == np.arange(2), pays, 1 - pays)[..., None]
        parts = []
        for start in range(0, len(p) - SESSIONS + 1, SESSIONS):
            rates, beta = rng.uniform(0.3, 0.8, 2), rng.uniform(4, 10)
            habit = rng.uniform(0, 0.5) / beta
            own = (*rates, 1.0, WEIGHT[kind], beta, habit)
            drawn = int(rng.integers(2**31))
            parts.append(Hybrid(common, 1).simulate(own, p[start : start + SESSIONS], seed=drawn))
        fields = ("action", "reward", "second_state")
        choice, reward, state = (
            np.concatenate([getattr(part, name) for part in parts]) for name in fields
        )
        found.append(grouped(behaviour(choice, reward, 2, state2=state, common=common)))
    return found


def frequencies(table: Any, seed: int) -> Array:
    """Return how many of some subjects follow each of `KINDS`, by their evidence."""
    from prefrontal.behaviour.fits.fitting import fit
    from prefrontal.behaviour.models.two_step import TwoStep

    models = [TwoStep(kind, options=1) for kind in KINDS]  # type: ignore[arg-type]
    selection = fit(table, models, "map", seed).selection
    assert selection is not None
    return np.asarray(selection.frequencies)


def networks(table: Any, record: Record, member: int) -> Array:
    """Return the mean log-likelihoods of held-out choices, ``[units + 1]``.

    Of fitted networks with each of `UNITS`; the last is that of the agent's own policy.
    """
    from prefrontal.behaviour.networks.recurrent import Recurrent

    session = table.session + SESSIONS * np.arange(len(table))[:, None]
    held = session >= round((1 - HELD_OUT) * (session.max() + 1))
    found = []
    for units in UNITS:
        network = Recurrent("gru", units, seeds=2, passes=200, patience=40, batch=16)
        scores = network.fit(table.masked(~held), seed=member).score(table)
        found.append(scores[held].mean())
    policy = record["policy"][member].reshape(*table.choice.shape, -1)
    own = np.take_along_axis(policy, table.choice[..., None], 2)[..., 0]
    return np.array([*found, np.log(own[held].clip(1e-9)).mean()])


def _network_findings(told: Array) -> list[Finding]:
    """Return what networks tell beyond chance, as a share of the agent's own policy."""
    chance = -np.log(2)
    share = (told[:, :-1] - chance) / (told[:, -1:] - chance)
    enough = np.where(share >= ENOUGH, np.array(UNITS), 2 * UNITS[-1]).min(axis=1)
    found = [
        finding(f"share of its policy that a network tells, {units} units", share[:, index])
        for index, units in enumerate(UNITS)
    ]
    likelihood = finding("likelihood of held-out choices, the agent's policy", np.exp(told[:, -1]))
    note = f"{ENOUGH:.0%} of its policy; {2 * UNITS[-1]} if none of {UNITS} does"
    name = "units that match the meta-learner"
    return [*found, likelihood, finding(name, enough.astype(float), note=note)]


def _figures(evaluation: Evaluation, shares: dict[str, Array], told: Array) -> list[Path]:
    if not evaluation.figures:
        return []
    from prefrontal.analysis.figures.learning import bars_with_members

    frequencies_of = {
        WORDS[kind]: {who: values[:, column] for who, values in shares.items()}
        for column, kind in enumerate(KINDS)
    }
    names = [*map(str, UNITS), "agent"]
    likelihood = {name: {"members": np.exp(told[:, i])} for i, name in enumerate(names)}
    drawn = (
        (frequencies_of, "model_frequencies", "share of subjects"),
        (likelihood, "networks", "likelihood of a held-out choice"),
    )
    return [
        bars_with_members(groups, evaluation.folder / f"{name}.png", label, ylim=(0.0, 1.05))
        for groups, name, label in drawn
    ]


_COMPACT = wang2018_two_step.EXPERIMENT.conditions["compact"]

EXPERIMENT = Experiment(
    name="behaviour-of-agents",
    summary="agents as subjects: whose model of choice is theirs, and how many units they need",
    reference="Ji-An, Benna & Mattar 2025, Nature 644:993; Daw et al. 2011, Neuron 69:1204-1215",
    conditions={"default": replace(_COMPACT)},
    measure=measure,
    most_episodes=SUBJECTS * SESSIONS,
    levels=wang2018_two_step.EXPERIMENT.levels,
)
