"""The navigation measures on simulated navigators, whose answers are known.

In place of trained populations.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.agents.td3.config import TD3NetworkConfig
from prefrontal.agents.td3.population import ContinuousPopulation
from prefrontal.envs.navigation import FireflyNavigation
from prefrontal.envs.navigation_laws import SPEEDS
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.navigation import meta_navigation
from prefrontal.experiments.navigation.measures import common_tasks, summary
from prefrontal.experiments.navigation.navigators import _Bayesian, navigate
from prefrontal.experiments.navigation.zhang2024_modularity import (
    EXPERIMENT,
    learning,
    learning_findings,
    measure,
)

GRID = np.arange(200, 10_001, 200)


class Simulated:
    """An evaluation of conditions that are simulated navigators.

    Modular critics integrate, others do not.
    """

    settings = EXPERIMENT.conditions

    def __init__(self, conditions, folder, episodes=40, members=2, figures=True):
        self.conditions, self.folder, self.episodes = conditions, folder, episodes
        self.seed, self.figures, self.members, self.played = 5, figures, members, {}
        self.curves = {
            name: {
                "trials": np.repeat(np.array([[100], [400], *([at] for at in GRID)]), members, 1),
                "phase": np.repeat(np.array([[1.0], [1.0]] + [[2.0]] * len(GRID)), members, 1),
                "validation": np.repeat(self.curve(name)[:, None], members, 1),
            }
            for name in conditions
        }

    @staticmethod
    def curve(name):
        """Linear: modular ones are perfect after 2,500 trials, others after 5,000."""
        fast = 2500 if name == "modular" else 5000
        return np.concatenate([[0.9, 0.9], np.minimum(GRID / fast, 1.0)])

    def record(self, condition, *, tasks, hidden=False, **task):
        good = condition in ("modular", "holistic-actor")
        kind = "integrator" if good else "efference copy"
        key = (kind, tasks["gain"][0], str(task))
        if key not in self.played:
            both = [navigate(tasks, kind, seed=m, **task) for m in range(self.members)]
            self.played[key] = {
                name: np.concatenate([one[name] for one in both]) for name in both[0]
            }
        record = dict(self.played[key])
        record["rpe"] = np.full(record["active"].shape, 0.25)
        if hidden:
            place = np.stack([record["x"], record["y"]], axis=-1)
            record["hidden"] = place @ np.random.default_rng(0).normal(0, 0.1, (2, 5))
        return record


class TestNavigators:
    def test_without_noise_the_integrator_is_rewarded_at_every_gain(self):
        quiet = {"process_noise": 0.0, "observation_noise": 0.0}
        for gain in (0.75, 1.0, 2.0, 4.0):
            found = summary(navigate(common_tasks(100, 0, gain), "integrator", **quiet))
            assert found.rewarded[0] == 1.0
            assert abs(found.radial[0]) < 46

    def test_one_who_knows_not_of_the_gain_goes_too_far_by_it(self):
        quiet = {"process_noise": 0.0, "observation_noise": 0.0}
        straight = {"target": np.tile([0.0, 300.0], (1, 1, 1)), "gain": np.ones(1)}
        one = navigate(straight, "efference copy", **quiet)
        two = navigate(straight | {"gain": np.full(1, 2.0)}, "efference copy", **quiet)
        ends = [record["end_y"][0, 0, -1] for record in (one, two)]
        assert ends[1] == pytest.approx(2 * ends[0], rel=1e-5)
        assert 255 <= ends[0] <= 300

    def test_monkeys_that_would_not_generalise(self):
        """Published for monkeys' own paths without generalisation: 230 and 198 cm at gain 2."""
        found = summary(navigate(common_tasks(1000, 0, 2.0), "efference copy"))
        assert 198 <= found.radial[0] <= 240

    def test_several_targets(self):
        tasks = common_tasks(50, 0, 2.0, targets=3)
        found = summary(navigate(tasks, "integrator", targets=3))
        assert found.rewarded[0] > 0.95


class TestBayesian:
    def play(self, kind="Bayesian", targets=1, **task):
        tasks = common_tasks(400, 0, targets=targets, **(meta_navigation.TASK | task))
        return navigate(tasks, kind, targets=targets, **(meta_navigation.TASK | task))

    def test_its_belief_is_the_posterior(self):
        """By hand: densities of what is seen, given each gain, multiplied and normalised."""
        task = FireflyNavigation(**meta_navigation.TASK)
        navigator = _Bayesian(2, "Bayesian", task)
        generator = torch.Generator().manual_seed(0)
        density = torch.ones(2, 41, dtype=torch.float64)
        for _ in range(3):
            command = torch.rand(2, 1, 2, generator=generator, dtype=torch.float64)
            flow = torch.randn(2, 1, 2, generator=generator, dtype=torch.float64)
            _, gain, weight = navigator.infer(flow, command)
            for axis, speed in enumerate(SPEEDS):
                spread = gain * speed * (0.2**2 + 0.7**2) ** 0.5
                law = torch.distributions.Normal(gain * command[..., axis] * speed, spread)
                density = density * law.log_prob(flow[..., axis]).exp()
        assert torch.allclose(weight, density / density.sum(1, keepdim=True))

    def test_velocities_are_known_as_well_as_can_be(self):
        """At a known gain: the mean of two Gaussians.

        What was commanded (.2) and what is seen (.7).
        """
        navigator = _Bayesian(1, "Bayesian", FireflyNavigation(**meta_navigation.TASK))
        flow, command = torch.full((1, 1, 2), 0.3).double(), torch.full((1, 1, 2), 0.8).double()
        velocity, gain, _ = navigator.infer(flow, command)
        meant = 0.8 * gain[0, 7] * SPEEDS[0]
        precise, vague = 1 / 0.2**2, 1 / 0.7**2
        best = (precise * meant + vague * 0.3) / (precise + vague)
        assert velocity[0, 7, 0] == pytest.approx(float(best))

    def test_it_beats_the_integrator_at_dusk(self):
        bayesian, integrator = (self.play(kind) for kind in ("Bayesian", "integrator"))
        assert summary(bayesian).rewarded[0] > summary(integrator).rewarded[0] + 0.2

    def test_it_expects_the_gains_of_its_task(self):
        tasks = common_tasks(400, 0, 8.0)
        with pytest.raises(ValueError, match=r"expects gains from 0\.5 to 4; got 8 to 8"):
            navigate(tasks, "Bayesian")
        assert summary(navigate(tasks, "Bayesian", gains=(2.0, 8.0))).rewarded[0] > 0.5

    def test_it_knows_the_noise_of_its_world(self):
        for noise in (True, False):
            calm = {"noise_scales_with_gain": noise, "process_noise": 0.0, "observation_noise": 0.0}
            assert summary(self.play(**calm)).rewarded[0] > 0.97
            seen = {"noise_scales_with_gain": noise, "observation_noise": 0.1}
            assert summary(self.play(**seen)).rewarded[0] > 0.95


def test_common_tasks_are_the_same_at_every_gain():
    one, two = common_tasks(20, 3, 1.0), common_tasks(20, 3, 2.0)
    assert (one["target"] == two["target"]).all()
    assert (two["gain"] == 2.0).all()
    assert (one["target"] != common_tasks(20, 4, 1.0)["target"]).any()
    drawn = common_tasks(200, 3, targets=2, gain_law="many")["gain"]
    assert len(np.unique(drawn)) > 100


def test_conditions_are_the_published_pairs_and_the_controls():
    pairs = {
        name: (settings.network.actor, settings.network.critic)
        for name, settings in EXPERIMENT.conditions.items()
    }
    assert pairs["modular"] == ("actor3", "critic5")
    assert pairs["holistic"] == ("actor1", "critic1")
    assert pairs["early-action"] == ("actor3", "critic3")
    assert len(set(pairs.values())) == 6


def test_learning_curves_begin_after_phase_one(tmp_path):
    evaluation = Simulated(["modular"], tmp_path)
    short = {name: curve[:12] for name, curve in evaluation.curves["modular"].items()}
    grid, curves = learning({"modular": evaluation.curves["modular"], "short": short, "none": {}})
    assert grid.tolist() == GRID.tolist()
    assert curves.keys() == {"modular", "short"}
    assert curves["modular"].shape == (len(GRID), 2)
    assert curves["modular"][:, 0] == pytest.approx(np.minimum(GRID / 2500, 1.0))
    assert np.isfinite(curves["short"][:10]).all()  # ten points after phase I
    assert np.isnan(curves["short"][10:]).all()  # nothing is known beyond


def test_what_was_played_in_phase_one_is_no_trial_after_it():
    """A row is the mean of some rounds, of which the first may belong to phase I."""
    metrics = {
        "trials": np.array([[1100.0], [1176.0], [150.0], [206.0], [420.0]]),
        "phase": np.array([[1.0], [1.3], [2.0], [2.0], [2.0]]),
        "validation": np.array([[0.2], [0.95], [0.0], [0.1], [0.3]]),
    }
    grid, curves = learning({"modular": metrics})
    assert grid.tolist() == [200, 400]
    assert curves["modular"][:, 0].tolist() == [0.0, 0.1]


def test_learning_curves_are_as_long_as_the_run():
    trials = np.arange(8.0, 20_001, 8)[:, None]
    late = np.where(trials >= 12_000, 0.95, 0.3)
    metrics = {"trials": trials, "phase": np.full_like(trials, 2), "validation": late}
    found = {f.name: f.value for f in learning_findings(*learning({"modular": metrics}))}
    assert found["trials to 0.9 rewarded, whole run if never, modular"] == 12_000
    assert found["agents that reached 0.9 rewarded, modular"] == 1.0


def test_measures_find_what_was_simulated(tmp_path):
    evaluation = Simulated(list(EXPERIMENT.conditions), tmp_path)
    outcome = measure(evaluation)
    found = {finding.name: finding for finding in outcome.findings}
    assert len(found) == len(outcome.findings)
    assert found["rewarded fraction, 1x, modular"].verdict == "met"
    assert found["rewards a second, 1x, modular"].verdict == "met"
    assert found["radial error, 2x, modular"].verdict == "met"
    assert found["radial error, 2x, holistic"].verdict == "met"
    assert found["area of the boundary sweep, 2x, modular"].verdict == "met"
    assert found["area of the boundary sweep, 2x, holistic"].verdict == "met"
    assert found["TD error, 1x, holistic"].value == 0.25
    assert found["place decoded, decoder of 1x, 2x, modular"].value < 2
    assert found["trials to 0.9 rewarded, whole run if never, modular"].value == 2400
    assert found["trials to 0.9 rewarded, whole run if never, holistic less modular"].value == 2200
    assert (
        found["trials to 0.9 rewarded, whole run if never, holistic less modular"].verdict == "met"
    )
    for name in (
        "modular less holistic",
        "modular less holistic, noise as at 1x",
        "effect of a modular critic",
        "effect of the critic less that of the actor",
    ):
        assert found[f"area, 2x: {name}"].verdict == "met"
    actor = found["area, 2x: effect of a modular actor"]
    assert actor.low < 0 < actor.high
    assert found["area, 2x: two LSTMs less holistic"].value == pytest.approx(0.0, abs=1e-9)
    assert {path.name for path in outcome.figures} == {
        "paths_from_above.png",
        "measures_against_gain.png",
        "learning_by_trials.png",
        "architectures.png",
    }
    assert all(path.stat().st_size > 10_000 for path in outcome.figures)


def test_a_single_condition_can_be_measured(tmp_path):
    outcome = measure(Simulated(["two-lstms"], tmp_path, figures=False, members=1))
    assert outcome.figures == []
    assert not any("less" in finding.name for finding in outcome.findings)


class SimulatedBayesians(Simulated):
    """An evaluation of the meta-learning experiment: both conditions infer the gain."""

    settings = meta_navigation.EXPERIMENT.conditions

    split = "held_out"

    def record(
        self,
        condition,
        *,
        tasks,
        hidden=False,
        forget=False,
        targets=meta_navigation.TARGETS,
        episode_steps=0,
    ):
        task = {"targets": targets, **meta_navigation.TASK}
        kind = "forgetful Bayesian" if forget else "Bayesian"
        members = [navigate(tasks, kind, seed=m, **task) for m in range(self.members)]
        record = {name: np.concatenate([one[name] for one in members]) for name in members[0]}
        if hidden:  # what is known of the gain, better with every target
            noise = np.random.default_rng(0).normal(0, 1, record["gain"].shape) / record[
                "trial"
            ].clip(1)
            record["hidden"] = (np.log2(record["gain"]) + noise)[..., None]
        return record


def test_meta_learning_is_found_where_it_is(tmp_path):
    evaluation = SimulatedBayesians(["five-targets", "one-target"], tmp_path, episodes=300)
    outcome = meta_navigation.measure(evaluation)
    found = {finding.name: finding for finding in outcome.findings}
    assert found["fall of the radial error, target 1 to 5, five targets"].value > 7
    assert abs(found["fall of the radial error, target 1 to 5, one target"].value) < 4
    assert abs(found["fall of the radial error, target 1 to 5, memory wiped"].value) < 4
    second, fifth = (found[f"gain decoded as target {n} appears (R squared)"].value for n in (2, 5))
    assert second == pytest.approx(0.42, abs=0.15)  # variance .74 of the octaves, of the noise 1
    assert fifth > second + 0.2
    first, last = (found[f"radial error, target {n}, Bayesian navigator"].value for n in (1, 5))
    assert first > last + 7
    assert found["radial error, target 5, forgetful Bayesian navigator"].value > last + 5
    assert [path.name for path in outcome.figures] == ["error_by_target.png"]


def test_one_target_has_nothing_to_fall_to_and_one_gain_nothing_to_decode(tmp_path):
    class Alone(SimulatedBayesians):
        def record(self, condition, **options):
            return super().record(condition, **{**options, "targets": 1})

    evaluation = Alone(["five-targets"], tmp_path, episodes=60, figures=False)
    evaluation.settings = {
        name: replace(
            one,
            environment=replace(one.environment, kwargs={**one.environment.kwargs, "targets": 1}),
        )
        for name, one in meta_navigation.EXPERIMENT.conditions.items()
    }
    names = [finding.name for finding in meta_navigation.measure(evaluation).findings]
    assert len(set(names)) == len(names)
    assert not any("fall" in name or "gain decoded" in name for name in names)
    tasks = common_tasks(60, 0, 2.0, targets=5, **meta_navigation.TASK)
    several = SimulatedBayesians(["five-targets"], tmp_path)
    assert meta_navigation.gain_findings(several, tasks) == []


def test_trained_agents_play_the_same_tasks_in_order():
    settings = EXPERIMENT.conditions["modular"]
    population = ContinuousPopulation.create(settings.environment, TD3NetworkConfig(scale=0.05), 3)
    evaluation = Evaluation({"modular": population}, {"modular": settings}, "held_out", 5, 0, None)
    tasks = common_tasks(700, 0, 2.0)  # in two parts of 341 rows a member, and a rest
    record = evaluation.record("modular", tasks=tasks)
    for member in range(3):
        assert (record["task.target"][member] == tasks["target"]).all()
    assert (record["task.gain"] == 2.0).all()
    assert (record["v"][0] != record["v"][1]).any()
    assert record["x"].shape == (3, 700, 35)
    assert (record["rpe"][record["active"] == 0] == 0).all()
    again = evaluation.record("modular", tasks=common_tasks(700, 0, 1.0))
    assert (again["gain"] == 1.0).all()
