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

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrontal.analysis.choice.hybrid_model import Hybrid
from prefrontal.analysis.stats.findings import Finding
from prefrontal.behaviour.agents.records import of_record
from prefrontal.behaviour.fits.fitting import fit
from prefrontal.behaviour.fits.selection import model_selection
from prefrontal.behaviour.models.hidden_state import HiddenState
from prefrontal.behaviour.models.model import Model, Theta, Trial
from prefrontal.behaviour.models.two_step import TwoStep
from prefrontal.behaviour.networks.recurrent import Recurrent
from prefrontal.behaviour.table import Behaviour, behaviour
from prefrontal.experiments.evaluation import Evaluation, Record
from prefrontal.experiments.experiment import Experiment, Outcome, finding
from prefrontal.experiments.two_step import wang2018_two_step

SUBJECTS = 60  # of each member, and of each observer
SESSIONS = 2  # episodes of a subject
GROUPS = 3  # of observers, each on the schedules of a member
KINDS = ("inference", "mb", "mf", "hybrid")  # models of choice
WORDS = {
    "inference": "state inference",
    "mb": "model-based",
    "mf": "model-free",
    "hybrid": "hybrid",
}
WEIGHT = {"mb": 1.0, "mf": 0.0, "hybrid": 0.5}  # of planning, in the observers
OWN = 0.9  # least share of subjects that belong to their own model
UNITS = (1, 2, 3, 4, 8)
TAUGHT, ASKED = 12, 8  # episodes of each member that networks learn from, and that they predict
ENOUGH = 0.99  # share of what the agent's own policy tells that a network must tell
Array = NDArray[np.float64]


def measure(evaluation: Evaluation) -> Outcome:
    """Measure model frequencies of agents and observers, and what small networks tell."""
    record = evaluation.record(episodes=min(evaluation.episodes, SUBJECTS * SESSIONS))
    subjects = {"agents": of_agents(record)}
    for kind in WEIGHT:
        subjects[f"{WORDS[kind]} observers"] = of_observers(kind, record, evaluation.seed)
    own = dict(zip(subjects, KINDS, strict=True))
    findings, shares = [], {}
    for who, table in subjects.items():
        groups = len(record["action"]) if who == "agents" else min(GROUPS, len(record["action"]))
        shares[who] = frequencies(table, groups, evaluation.seed)
        for column, kind in enumerate(KINDS):
            bar: dict[str, Any] = {"bar": OWN, "better": "higher"} if kind == own[who] else {}
            name = f"share of {who} whose model is {WORDS[kind]}"
            findings.append(finding(name, shares[who][:, column], within=(0.0, 1.0), **bar))
    told = networks(record, evaluation.seed)
    findings += _network_findings(told)
    return Outcome(findings, _figures(evaluation, shares, told))


def of_agents(record: Record) -> Behaviour:
    """Return the choices of all members as a table: each is a group of `SUBJECTS`."""
    table = of_record(record, subjects="episode", common=task()["common"])
    each = len(table) // len(record["action"]) // SESSIONS * SESSIONS
    episodes = len(table) // len(record["action"])
    kept = np.arange(len(table)) % episodes < each
    return grouped(table.select(kept))


def task() -> dict[str, float]:
    """Return probabilities of the task: of the common transition, and of reward in good states."""
    kwargs = EXPERIMENT.conditions["default"].environment.kwargs
    return {"common": kwargs.get("transition", 0.8), "reward": kwargs.get("reward", 0.9)}


def grouped(table: Behaviour) -> Behaviour:
    """Return episodes as subjects with `SESSIONS` sessions each."""
    count = len(table) // SESSIONS

    def joined(values: NDArray[Any]) -> NDArray[Any]:
        return values[: count * SESSIONS].reshape(count, -1)

    session = np.repeat(np.arange(SESSIONS), table.trials)
    session = np.broadcast_to(session, (count, len(session)))
    assert table.state2 is not None
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


def of_observers(kind: str, record: Record, seed: int) -> Behaviour:
    """Return what observers do on the schedules of some members, as a table.

    Rates are uniform from .3 to .8, inverse temperatures from 5 to 10, perseverations (in units of
    preference) from 0 to .5; the trace is 1.
    """
    good = record["task.good"][:GROUPS]  # [M, E, N]
    good = good[:, : good.shape[1] // SESSIONS * SESSIONS]
    p = np.where(good[..., None] == np.arange(2), task()["reward"], 1 - task()["reward"])
    p = p.reshape(-1, *p.shape[2:])[..., None]  # [E, N, 2, 1]
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    parts = []
    for start in range(0, len(p), SESSIONS):
        rates, beta = rng.uniform(0.3, 0.8, 2), rng.uniform(5, 10)
        own = (*rates, 1.0, WEIGHT[kind], beta, rng.uniform(0, 0.5) / beta)
        walks, drawn = p[start : start + SESSIONS], int(rng.integers(2**31))
        parts.append(Hybrid(task()["common"], 1).simulate(own, walks, seed=drawn))
    choice, reward, state = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("action", "reward", "second_state")
    )
    return grouped(behaviour(choice, reward, 2, state2=state, common=task()["common"]))


class StateInference(HiddenState):
    """Belief on which second-stage state is the good one; see `HiddenState`.

    It chooses the arm that commonly leads there (that of the same number).
    """

    name = "inference"
    needs = ("state2",)

    def prepare(self, theta: Theta, trials: Trial) -> dict[str, Tensor]:
        """Return the likelihood of the outcome if each state is the good one."""
        assert trials.state2 is not None
        seen = torch.nn.functional.one_hot(trials.state2, 2).double()
        return super().prepare(theta, trials._replace(chosen=seen))


def frequencies(table: Behaviour, groups: int, seed: int) -> Array:
    """Return how many subjects of each group follow each of `KINDS`, by their evidence."""
    models: list[Model] = [StateInference()]
    models += [TwoStep(kind, options=1) for kind in KINDS[1:]]  # type: ignore[arg-type,unused-ignore]
    fitted = fit(table, models, "map", seed)
    evidence = np.stack([one.evidence for one in fitted.values()], axis=1)
    each = np.split(evidence, groups)
    return np.stack([model_selection(one, KINDS).frequencies for one in each])


def networks(record: Record, seed: int) -> Array:
    """Return the mean log-likelihoods of held-out choices of each member, ``[M, units + 1]``.

    Of networks with each of `UNITS`, fitted to the choices of all members; the last is that of the
    agent's own policy.
    """
    members, episodes = record["action"].shape[:2]
    taught = max(1, min(TAUGHT, episodes - ASKED))
    table = of_record(record, subjects="episode", common=task()["common"])
    place = np.arange(len(table)) % episodes
    known = table.select(place < taught)
    asked = table.select((place >= taught) & (place < taught + ASKED))
    found = []
    for units in UNITS:
        network = Recurrent("gru", units, seeds=2, passes=100)
        scores = network.fit(known, seed).score(asked)
        found.append(scores.reshape(members, -1).mean(axis=1))
    policy = record["policy"][:, taught : taught + ASKED]
    chosen = record["action"][:, taught : taught + ASKED, :, None]
    own = np.take_along_axis(policy, chosen.astype(np.int64), 3)
    found.append(np.log(own.clip(1e-9)).reshape(members, -1).mean(axis=1))
    return np.stack(found, axis=1)


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


EXPERIMENT = Experiment(
    name="behaviour-of-agents",
    summary="agents as subjects: whose model of choice is theirs, and how many units they need",
    reference="Ji-An, Benna & Mattar 2025, Nature 644:993; Daw et al. 2011, Neuron 69:1204-1215",
    conditions={"default": wang2018_two_step.EXPERIMENT.conditions["compact"]},
    measure=measure,
    most_episodes=SUBJECTS * SESSIONS,
    levels=wang2018_two_step.EXPERIMENT.levels,
)
