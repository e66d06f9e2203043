"""Two-step, Harlow and context-bandit experiments.

Measures on observers of known answer, and on untrained agents.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.agents import Population
from prefrontal.agents.registry import make_learner
from prefrontal.analysis.choice.observers import WANG_2016, simulate_daw, simulate_two_step
from prefrontal.analysis.choice.two_step import CONDITIONS, IDEAL_2016, IDEAL_2018, TwoStepTrials
from prefrontal.envs.daw import Daw2011TwoStep
from prefrontal.experiments.evaluation import Evaluation
from prefrontal.experiments.experiment import find_experiment
from prefrontal.experiments.prefrontal.wang2018_harlow import right_choices
from prefrontal.experiments.two_step.daw2011_two_step import earned, on_walks
from prefrontal.experiments.two_step.measures import (
    index_findings,
    stay_by_member,
    stay_findings,
    trials_of_record,
)

SHORT = {
    "wang2018-two-step": {"trials": 30},
    "wang2016-two-step": {},
    "daw2011-two-step": {},
    "wang2018-harlow": {},
    "context-bandit": {},
}


def untrained(name, folder, episodes=100, figures=False):
    populations, conditions = {}, find_experiment(name).conditions
    for condition, settings in conditions.items():
        spec = replace(settings.environment, kwargs=settings.environment.kwargs | SHORT[name])
        populations[condition] = Population.create(spec, settings.network, members=2)
    return Evaluation(populations, conditions, "held_out", episodes, 0, folder, figures=figures)


@pytest.mark.parametrize("name", SHORT)
def test_every_measure_runs_and_draws(name, tmp_path):
    outcome = find_experiment(name).measure(untrained(name, tmp_path, figures=True))
    names = [finding.name for finding in outcome.findings]
    assert len(set(names)) == len(names)
    assert any(finding.verdict == "missed" for finding in outcome.findings)
    assert all(np.isfinite(finding.value) for finding in outcome.findings)
    assert outcome.figures
    assert all(path.is_file() for path in outcome.figures)


@pytest.mark.parametrize("name", SHORT)
def test_every_environment_can_be_learned_from(name):
    for settings in find_experiment(name).conditions.values():
        spec = replace(settings.environment, kwargs=settings.environment.kwargs | SHORT[name])
        job = replace(settings, environment=spec).job(seed=0, device="cpu")
        metrics = make_learner(job, [0]).update()
        assert torch.isfinite(metrics["gradient_norm"]).all()


def as_record(trials, steps):
    """A record of trials with `steps` steps each; only the last one pays."""

    def spread(x, last_only=False):
        x = np.asarray(x)
        out = np.repeat(x[..., None], steps, axis=-1)
        if last_only:
            out[..., :-1] = 0
        return out.reshape(*x.shape[:2], -1)

    index = np.broadcast_to(np.arange(trials.reward.shape[2]), trials.reward.shape)
    return {
        "action": spread(trials.first_action),
        "first_action": spread(trials.first_action),
        "common": spread(trials.common),
        "reward": spread(trials.reward, last_only=True),
        "trial": spread(index),
    }


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize(("task", "ideal"), [(None, IDEAL_2018), (WANG_2016, IDEAL_2016)])
def test_ideal_observer_has_the_stay_probabilities_of_the_oracle(task, ideal, steps):
    options = {} if task is None else {"task": task}
    played = simulate_two_step("ideal", episodes=6000, **options).trials
    trials = trials_of_record(as_record(played, steps))
    np.testing.assert_array_equal(trials.reward, played.reward)
    np.testing.assert_array_equal(trials.second_state, played.second_state)
    stay = stay_by_member(trials)
    np.testing.assert_allclose(stay[0], ideal, atol=0.015)
    mixed = (0.55, 0.75) if task is None else (0.45, 0.60)
    several = members(trials, 6)
    findings = stay_findings(several, ideal, "", mixed, within=0.05)
    findings += index_findings(stay_by_member(several), ideal, "")
    assert {finding.verdict for finding in findings} == {"met", None}
    assert {finding.goal_verdict for finding in findings} == {None}
    farthest = next(finding for finding in findings if "farthest" in finding.name)
    assert farthest.value < farthest.goal


def members(trials, count):
    """The trials of one member as those of several."""
    names = ("first_action", "common", "reward")
    fields = (np.asarray(getattr(trials, name)) for name in names)
    return TwoStepTrials(*(field.reshape(count, -1, field.shape[2]) for field in fields))


def test_the_lowest_member_is_judged_by_its_own_episodes():
    """Few episodes leave the bar open, which many decide; one member has no verdict."""
    trials = simulate_two_step("ideal", episodes=4000).trials

    def lowest(count, episodes):
        some = members(trials, count)
        fields = (some.first_action, some.common, some.reward)
        some = TwoStepTrials(*(field[:, :episodes] for field in fields))
        found = stay_findings(some, IDEAL_2018, "", (0.55, 0.75))
        return next(one for one in found if "lowest member" in one.name)

    assert lowest(4, 1000).verdict == "met"
    assert lowest(4, 2).verdict == "open"
    assert lowest(1, 4000).verdict is None


def test_model_free_learner_fails_the_bars():
    trials = members(simulate_two_step("model_free", episodes=1000).trials, 5)
    findings = stay_findings(trials, IDEAL_2018, "", (0.55, 0.75)) + index_findings(
        stay_by_member(trials), IDEAL_2018, ""
    )
    missed = [f.name for f in findings if f.verdict == "missed"]
    assert {"stay probability RU (rewarded, rare)", "model-free index"} <= set(missed)
    assert "stay probability RC, UU, lowest member" in missed


def test_too_few_episodes_are_refused():
    few = simulate_two_step("ideal", task=WANG_2016, episodes=1).trials
    with pytest.raises(ValueError, match="more episodes"):
        stay_by_member(few, first_transition=True)


def walks(episodes=150):
    params = Daw2011TwoStep().sample(episodes, "all", torch.Generator().manual_seed(0))
    return params["p"].double().numpy()


def test_daw_observers_earn_in_order():
    p = walks()
    kinds = ("random", "model_free", "model_based", "bayesian")
    rewards = [earned(on_walks(kind, p[None], seed=0), p[None]).mean() for kind in kinds]
    assert rewards == sorted(rewards)
    assert rewards[0] == pytest.approx(0.5, abs=0.005)
    assert rewards[-1] == pytest.approx(0.561, abs=0.006)


def test_daw_observers_have_the_signatures_of_their_kind():
    p = walks()
    free = stay_by_member(simulate_daw("model_free", p))[0]
    based = stay_by_member(simulate_daw("model_based", p))[0]
    rc, ru, uc, uu = range(len(CONDITIONS))
    assert free[rc] + free[ru] - free[uc] - free[uu] > 0.3
    assert abs(free[rc] - free[ru] - free[uc] + free[uu]) < 0.1
    assert based[rc] - based[ru] - based[uc] + based[uu] > 0.15
    with pytest.raises(ValueError, match="observer must be one of"):
        simulate_daw("perfect", p)


def test_expected_pay_is_that_of_what_was_chosen():
    p = walks(3)
    trials = simulate_daw("random", p)
    e = 1
    expected = [
        p[e, n, int(trials.second_state[0, e, n]), trials.second_action[0, e, n]]
        for n in range(p.shape[1])
    ]
    assert earned(trials, p[None])[0, e] == pytest.approx(np.mean(expected))


def test_a_trial_that_is_never_finished_counts_as_wrong():
    record = {
        "correct": np.array([[[0, 1, 0, 0], [0, 1, 0, 1]]]),
        "decision": np.array([[[0, 1, 0, 1], [0, 1, 0, 1]]]),
        "trial": np.array([[[0, 0, 1, 1], [0, 0, 1, 1]]]),
        "task.side": np.zeros((1, 2, 3)),
    }
    np.testing.assert_array_equal(right_choices(record), [[[1, 0, 0], [1, 1, 0]]])
    record["decision"][0, 0] = 0  # the first episode decides nothing
    np.testing.assert_array_equal(right_choices(record), [[[0, 0, 0], [1, 1, 0]]])
