"""Experiments are found by name, and their bars are for their own tasks, whoever the agents are."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prefrontal.analysis.missing import NotMeasurableError
from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.experiment import (
    all_experiments,
    conclusion,
    exact,
    find_experiment,
    finding,
    of_other_tasks,
    unjudged,
    worst_member,
)


def test_only_tasks_and_their_split_decide():
    experiment = find_experiment("meta-navigation")
    own = dict(experiment.conditions)
    assert of_other_tasks(experiment, own) == []
    one = own["one-target"]

    def changed(**fields):
        environment = replace(one.environment, **fields)
        return of_other_tasks(
            experiment, own | {"one-target": replace(one, environment=environment)}
        )

    kwargs = one.environment.kwargs
    assert changed(inputs=("action", "reward")) == []  # what agents are shown is theirs
    assert changed(kwargs={**kwargs, "process_noise": 0.2}) == []  # the default
    assert changed(kwargs={**kwargs, "process_noise": 0.3}) == ["one-target"]
    assert changed(split="all") == ["one-target"]
    assert changed(stages=(*one.environment.stages, {"targets": 2})) == ["one-target"]
    agents = replace(one, training=replace(one.training, members=1))
    assert of_other_tasks(experiment, {"one-target": agents}) == []
    assert of_other_tasks(experiment, {"another": one}) == ["another"]


def test_every_experiment_is_of_its_own_tasks():
    for experiment in all_experiments().values():
        assert of_other_tasks(experiment, experiment.conditions) == []


def test_what_is_not_judged_keeps_what_was_measured():
    judged = {"published": 2.0, "other": 2.5, "bar": 0.9, "goal": 1.2}
    finding = Finding("a", 1.0, 0.5, 1.5, optimum=3.0, **judged)
    (plain,) = unjudged([finding])
    assert plain == Finding("a", 1.0, 0.5, 1.5, optimum=3.0)
    assert plain.verdict is None


def test_an_experiment_is_found_by_the_name_of_its_file():
    for name, experiment in all_experiments().items():
        assert experiment.name == name
        assert find_experiment(name) is experiment


def test_finding_one_imports_no_other():
    code = (
        "import sys; from prefrontal.experiments.experiment import find_experiment as find; "
        "find('wang2018-foraging'); "
        "print(*[m for m in sys.modules if 'experiments.' in m and '201' in m])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.split() == ["prefrontal.experiments.prefrontal.wang2018_foraging"]


def test_a_finding_is_a_mean_over_members_with_its_interval():
    one = finding("a", np.array([1.0, 2.0, 3.0]), bar=1.5, better="lower")
    assert (one.value, one.bar, one.verdict) == (2.0, 1.5, "open")
    assert one.low < 1.5 < 2.0 < one.high


def test_the_worst_member_is_judged_by_its_own_episodes():
    worst = worst_member("a", np.array([1.0, 2.0, 3.0]), "lower", bar=2.5)
    assert (worst.value, worst.low, worst.verdict) == (3.0, None, None)  # nothing told of episodes
    assert worst_member("a", np.array([1.0, 2.0]), "higher").value == 1.0
    rng = np.random.default_rng(0)
    episodes = rng.normal([[1.0], [2.0], [3.0]], 1.0, (3, 400))
    found = worst_member("a", episodes, "lower", bar=2.5)
    assert found.value == episodes[2].mean()
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.05, rel=0.1)
    assert found.verdict == "missed"
    assert worst_member("a", episodes[:, :4], "lower", bar=2.5).verdict == "open"
    assert worst_member("a", episodes[2:], "lower", bar=2.5).verdict is None  # one member
    # Counts: two of four right in one episode, none of none in the other.
    right, shown = np.array([[2, 0], [3, 3]]), np.array([[4, 0], [3, 3]])
    assert worst_member("a", right, "higher", shown, fraction=True).value == 0.5


def test_an_exact_number_has_a_verdict_but_not_of_one_member():
    assert exact("steps", 2.0, 8, bar=3.0, better="lower").verdict == "met"
    assert exact("steps", 4.0, 8, bar=3.0, better="lower").verdict == "missed"
    assert exact("steps", 2.0, 1, bar=3.0, better="lower").verdict is None


def test_the_conclusion_follows_the_verdicts():
    experiment = find_experiment("wang2016-correlated-arms")
    conditions = list(experiment.conditions)
    met, open_, missed = (Finding("a", 1.0, 0.9, 1.1, bar=bar) for bar in (0.8, 1.0, 1.2))
    said = "{}: {} met, {} open, {} missed".format
    assert conclusion(experiment, [met, met], conditions, 4000) == (
        said("finding reproduced", 2, 0, 0),
        0,
    )
    assert conclusion(experiment, [met, open_], conditions, 4000) == (said("undecided", 1, 1, 0), 0)
    assert conclusion(experiment, [met, missed, open_], conditions, 4000) == (
        said("finding not reproduced", 1, 1, 1),
        1,
    )
    # On part of the episodes or of the conditions nothing is said of the finding.
    few = conclusion(experiment, [met, missed], conditions, 200)
    assert few == (said("200 of 4,000 episodes", 1, 0, 1), 0)
    part = conclusion(experiment, [met], ["uniform"], 4000)
    assert part == (said("without no-reward", 1, 0, 0), 0)
    assert conclusion(experiment, [Finding("a", 1.0)], conditions, 4000) == ("", 0)
    line, code = conclusion(experiment, [Finding("a", 1.0, bar=0.8)], conditions, 4000)
    assert (line.startswith("no verdicts"), code) == (True, 0)
    # A bar without a verdict is not met.
    both = conclusion(experiment, [met, Finding("b", 1.0, bar=0.8)], conditions, 4000)[0]
    assert both == said("undecided", 1, 0, 0)


def test_a_finding_without_a_value_of_every_member_is_named():
    said = "'errors, late' has no value for 2 of 3 members"
    with pytest.raises(NotMeasurableError, match=said):
        finding("errors", np.array([np.nan, 1.0, np.inf]), where=", late", failure=0.5)
