"""Agents and observers as subjects: tables of them, and the model of state inference."""

import numpy as np
import pytest
import torch

from prefrontal.behaviour.models.run import run
from prefrontal.behaviour.table import behaviour
from prefrontal.experiments.behaviour import behaviour_of_agents as study
from prefrontal.experiments.behaviour.behaviour_of_agents import StateInference


def record(members=3, episodes=5, trials=4):
    rng = np.random.default_rng(0)
    size = members, episodes, trials
    first, state = rng.integers(0, 2, (2, *size))
    return {
        "action": first,
        "reward": rng.random(size).round(),
        "first_action": first,
        "second_state": state,
        "trial": np.broadcast_to(np.arange(trials), size),
        "policy": np.full((*size, 2), 0.5),
        "task.good": rng.integers(0, 2, size),
    }


def test_two_episodes_of_a_member_are_two_sessions_of_a_subject():
    played = record()
    table = study.of_agents(played)
    assert table.choice.shape == (3 * 2, 2 * 4)
    assert table.choice[2].tolist() == played["action"][1, :2].ravel().tolist()
    assert table.state2[3].tolist() == played["second_state"][1, 2:4].ravel().tolist()
    assert np.flatnonzero(table.starts[0]).tolist() == [0, 4]
    assert table.common == 0.8
    assert table.mapping.tolist() == [[0, 1]] * 6


def test_observers_do_what_their_rule_says():
    """On long schedules: where they stay after what (Daw et al. 2011)."""
    good = np.broadcast_to(np.arange(240) // 40 % 2, (3, 8, 240))
    indices = {}
    for kind in study.WEIGHT:
        table = study.of_observers(kind, {"task.good": good}, 0)
        assert len(table) == study.GROUPS * 4
        stay = table.choice[:, 1:] == table.choice[:, :-1]
        common = (table.state2 == table.choice)[:, :-1]
        won = table.reward[:, :-1] > 0
        rc, ru, uc, uu = (
            stay[(won == r) & (common == c)].mean() for r in (True, False) for c in (True, False)
        )
        indices[kind] = rc - ru - uc + uu, rc + ru - uc - uu
    assert indices["mb"][0] > indices["hybrid"][0] > abs(indices["mf"][0]) + 0.1
    assert indices["mf"][1] > indices["hybrid"][1] > abs(indices["mb"][1]) + 0.1


def test_state_inference_is_the_rule_of_bayes_on_the_state_that_was_reached():
    table = behaviour([[0, 1, 0]], [[1.0, 0.0, 1.0]], state2=np.array([[1, 1, 0]]), common=0.8)
    theta = {"hazard": 0.1, "contrast": 0.8, "inverse_temperature": 3.0}
    theta = {name: torch.tensor([value], dtype=torch.float64) for name, value in theta.items()}
    found = run(StateInference(), theta, table, latents=True)
    first = 0.9 * 0.9 + 0.1 * 0.1  # a win in state 1
    odds = first * 0.1 / (first * 0.1 + (1 - first) * 0.9)  # and a loss there
    belief = [0.5, first, odds * 0.9 + (1 - odds) * 0.1]
    np.testing.assert_allclose(found.latents["belief"][0, :, 1], belief)
    wanted = -np.log1p(np.exp(-3 * (2 * belief[1] - 1)))
    assert float(found.log_p[0, 1]) == pytest.approx(wanted)


def test_a_network_matches_where_it_tells_as_much_as_the_policy():
    chance, own = np.log(0.5), np.log(0.9)
    part = [chance + share * (own - chance) for share in (0.5, 0.98, 0.995, 0.991, 1.0)]
    told = np.array([[*part, own], [*part[:2], *part[:2], 1.1 * chance, own]])
    findings = {one.name: one for one in study._network_findings(told)}
    assert findings["units that match the meta-learner"].value == (3 + 16) / 2
    assert findings["share of its policy that a network tells, 1 units"].value == pytest.approx(0.5)
