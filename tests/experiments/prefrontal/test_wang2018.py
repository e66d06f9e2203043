"""Findings of Wang et al. 2018.

Each measure on observers of known answer, and on untrained agents.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.agents import Population
from prefrontal.envs.foraging import RANGES, Foraging
from prefrontal.envs.reversal import InferredValue, Volatility
from prefrontal.experiments.bandits.wang2018_bandit_pca import plane_order
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import find_experiment
from prefrontal.experiments.prefrontal.wang2018_dopamine import risky_choice
from prefrontal.experiments.prefrontal.wang2018_foraging import baited, best_choices, known_value
from prefrontal.experiments.prefrontal.wang2018_inferred_value import (
    cues,
    effect,
    ideal_rpe,
    td_rpe,
    unseen,
)
from prefrontal.experiments.prefrontal.wang2018_volatility import (
    bayes_choices,
    block_rates,
    delta_rule_choices,
)

NAMES = ("inferred-value", "volatility", "foraging", "dopamine", "bandit-pca")


def untrained(name, folder, episodes=24, learn=0, figures=False, **options) -> Evaluation:
    experiment = find_experiment(f"wang2018-{name}")
    populations = {}
    for condition, settings in experiment.conditions.items():
        kwargs = settings.environment.kwargs | {"trials": 40}
        spec = replace(settings.environment, kwargs=kwargs)
        populations[condition] = Population.create(spec, settings.network, members=2)
        if learn:
            populations[condition].learn(learn, settings.algorithm, settings.training.num_envs)
    return Evaluation(
        populations,
        experiment.conditions,
        "held_out",
        episodes,
        0,
        folder,
        figures=figures,
        **options,
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_measure_runs_and_draws(name, tmp_path):
    evaluation = untrained(name, tmp_path, episodes=60, figures=True)
    if name == "volatility":  # both kinds of block within the shorter episode
        for population in evaluation.populations.values():
            kwargs = population.environment.kwargs | {"block": 20}
            population.environment = replace(population.environment, kwargs=kwargs)
    outcome = find_experiment(f"wang2018-{name}").measure(evaluation)
    assert any(finding.bar is not None for finding in outcome.findings)
    assert len({finding.name for finding in outcome.findings}) == len(outcome.findings)
    assert outcome.figures
    assert all(path.is_file() for path in outcome.figures)


def schedules(episodes=400, **fields):
    task = InferredValue(**fields)
    params = task.sample(episodes, "held_out", torch.Generator().manual_seed(1))
    state, _ = task.reset(params)
    facts = []
    for t in range(task.steps):
        action = torch.full((episodes,), 2) if t % 2 == 0 else params["target"][:, t // 2]
        facts.append(task.facts(params, state, action))
        state, _, _ = task.step(params, state, action, torch.zeros(0, episodes))
    record = {name: torch.stack([f[name] for f in facts], dim=1)[None].numpy() for name in facts[0]}
    zeros = np.zeros(record["pays"].shape)
    return cues(record | {"rpe": zeros, "reward": zeros})


def test_inferred_value_of_observers():
    trials = schedules()
    target, pays = trials["target"], trials["pays"]
    assert target.shape == (1, 400, 50)
    before, told, seen = unseen(trials, 0), unseen(trials, 1), trials["seen"] > 0
    ideal = ideal_rpe(target, pays, 0.05, 0.6)
    assert effect(ideal, pays, before)[0] == pytest.approx(-0.54, abs=0.02)
    assert effect(ideal, pays, told)[0] == pytest.approx(0.54, abs=0.02)
    assert effect(ideal, pays, seen)[0] == pytest.approx(0.54, abs=0.01)
    for rate in (0.3, 1.0):
        td = td_rpe(target, pays, rate, 0.6)
        assert effect(td, pays, told)[0] < -0.2  # one value a target: still the old one
        assert effect(td, pays, seen)[0] > 0.2
    assert effect(np.zeros(target.shape), pays, told)[0] == 0


def test_trials_after_a_reversal_that_show_the_other_target():
    trials = schedules(50)
    told = unseen(trials, 1)
    episodes, numbers = np.nonzero(told[0])
    assert len(episodes) > 10
    target, pays = trials["target"][0], trials["pays"][0]
    paying = np.where(pays == 1, target, 1 - target)
    for e, n in zip(episodes, numbers, strict=True):
        assert target[e, n - 1] != target[e, n]
        assert paying[e, n] == paying[e, n - 1] != paying[e, n - 2]


@pytest.fixture(scope="module")
def volatile_schedules():
    task = Volatility()
    params = task.sample(200, "held_out", torch.Generator().manual_seed(2))
    return task, params["pays"][None].numpy(), params["volatile"][None].numpy()


def test_learning_rates_of_observers(volatile_schedules):
    task, pays, volatile = volatile_schedules
    ideal = block_rates(bayes_choices(pays, task, True), pays, volatile, task.block)[0]
    assert ideal[1] - ideal[0] > 0.25
    simulated = block_rates(delta_rule_choices(pays, 0.4), pays, volatile, task.block)[0]
    np.testing.assert_allclose(simulated, 0.4, atol=0.06)


def test_the_bayes_filter_earns_more_than_any_simpler_observer(volatile_schedules):
    task, pays, _ = volatile_schedules
    earned = [
        (bayes_choices(pays, task, True) == pays).mean(),
        (bayes_choices(pays, task, False) == pays).mean(),
        (delta_rule_choices(pays, 0.3) == pays).mean(),
    ]
    assert earned[0] > earned[1] > earned[2] > 0.6


def test_baiting_agrees_with_the_task():
    task = Foraging(trials=20)
    params = task.sample(30, "all", torch.Generator().manual_seed(3))
    actions = torch.randint(0, 2, (20, 30), generator=torch.Generator().manual_seed(4))
    state, _ = task.reset(params)
    wanted = []
    for action in actions:
        wanted.append(task.facts(params, state, action)["expected_reward"])
        state, _, _ = task.step(params, state, action, torch.zeros(1, 30))
    probability = baited(actions.T.numpy(), params["p"].numpy())
    chosen = np.take_along_axis(probability, actions.T.numpy()[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(chosen, torch.stack(wanted, dim=1), atol=1e-5)


def test_one_who_knows_the_base_probabilities():
    action, reward = best_choices(np.full((500, 2), 0.25), 100)
    assert (action[:, 1:] != action[:, :-1]).all()  # equal targets: the other one is always better
    assert reward[:, 1:].mean() == pytest.approx(1 - 0.75**2, abs=0.01)
    action, reward = best_choices(np.tile([0.5, 0.0], (20, 1)), 100)
    assert not action.any()


def test_the_order_of_a_plane():
    rng = np.random.default_rng(0)
    points, noise = rng.normal(size=(400, 2)), rng.normal(size=400)
    turned = points @ [0.6, -0.8]
    assert plane_order(points, turned) == pytest.approx(1.0)
    assert plane_order(points, np.exp(-turned)) > 0.95
    assert abs(plane_order(points, noise)) < 0.2


def test_dopamine_moves_an_actor_that_has_learned_a_little(tmp_path):
    evaluation = untrained("dopamine", tmp_path, episodes=100, learn=1280)
    outcome = find_experiment("wang2018-dopamine").measure(evaluation)
    by_name = {finding.name: finding for finding in outcome.findings}
    assert by_name["weights that differ bitwise afterwards"].verdict == "met"
    alone = evaluation.record(stimulation=None)
    assert 0 < risky_choice(alone).mean() < 1
    assert by_name["risky choice, left alone"].value == pytest.approx(risky_choice(alone).mean())


def test_the_bound_of_foraging_is_that_of_the_best_sequence_of_choices():
    """Rewards tell nothing to one who knows the base probabilities: a visit empties a target."""

    def best(p, trials):
        totals = []
        for choices in itertools.product((0, 1), repeat=trials):
            empty, total = 1 - p, 0.0
            for choice in choices:
                total += 1 - empty[choice]
                empty = np.where(np.arange(2) == choice, 1.0, empty) * (1 - p)
            totals.append(total)
        return max(totals)

    pairs = np.random.default_rng(0).uniform(0, 0.6, (2, 3, 2))
    found = known_value(pairs, 8)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found, [[best(p, 8) for p in row] for row in pairs])
    first = np.concatenate([np.linspace(*ends, 201) for ends in RANGES["held_out"]])
    held_out = np.stack([first, 0.5 - first], axis=1)
    assert known_value(held_out, 100).mean() / 100 == pytest.approx(0.4394, abs=1e-4)
    assert known_value(held_out, 1000).mean() / 1000 == pytest.approx(0.4402, abs=1e-4)
    many = np.repeat(pairs, 400, axis=1)
    played = best_choices(many, 100)[1].sum(axis=2).mean()
    assert played <= known_value(pairs, 100).mean() + 0.3  # the myopic player, with its noise
