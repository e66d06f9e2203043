"""Experiments are found by name, and their bars are for their own tasks, whoever the agents are."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from prefrontal.analysis.stats.findings import Finding
from prefrontal.experiments.experiment import (
    all_experiments,
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
    finding = Finding("a", 1.0, 0.5, 1.5, published=2.0, optimum=3.0, bar=0.9, goal=1.2)
    (plain,) = unjudged([finding])
    assert plain == Finding("a", 1.0, 0.5, 1.5, optimum=3.0)
    assert plain.met is None


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
    assert (one.value, one.bar, one.met) == (2.0, 1.5, False)
    assert one.low < 2.0 < one.high
    worst = worst_member("a", np.array([1.0, 2.0, 3.0]), "lower", bar=2.5)
    assert (worst.value, worst.low, worst.met) == (3.0, None, False)
    assert worst_member("a", np.array([1.0, 2.0]), "higher").value == 1.0
