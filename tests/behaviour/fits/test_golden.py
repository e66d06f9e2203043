"""Published and stored numbers on data that are not ours; skipped where the data are absent."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from prefrontal.behaviour.fits.fitting import fit
from prefrontal.behaviour.models.catalogue import find
from prefrontal.behaviour.table import behaviour

DATA = Path(os.environ.get("PREFRONTAL_DATA", Path(__file__).parents[3].parent / "shared/data"))
pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no data at {DATA}")
LARGEST = 20_000  # ms: slower trials were left out by the authors


def mat(path):
    return loadmat(DATA / path, squeeze_me=True, struct_as_record=False)


def gershman(experiment):
    """The choices of Gershman (2018), blocks of ten trials in which values start anew."""
    by_subject = {}
    with (DATA / f"gershman2018_bandit/data{experiment}.csv").open() as file:
        for i, row in enumerate(csv.DictReader(file)):
            if float(row["RT"]) < LARGEST:
                by_subject.setdefault(row["subject"], []).append((i, row))
    shape = (len(by_subject), max(map(len, by_subject.values())))
    whole = {name: np.full(shape, -1) for name in ("choice", "block", "row", "session")}
    reward = np.full(shape, np.nan)
    for s, rows in enumerate(by_subject.values()):
        for t, (i, row) in enumerate(rows):
            whole["choice"][s, t] = int(row["choice"]) - 1
            whole["block"][s, t] = int(row["block"]) - 1
            whole["row"][s, t], whole["session"][s, t] = i, 0
            reward[s, t] = float(row["reward"])
    choice = whole.pop("choice")
    return behaviour(choice, reward, 2, list(by_subject), resets="block", **whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "prior_variance", "frequencies", "protected"),
    [
        (1, (10, 0), [0.4115, 0.0592, 0.4926, 0.0367], [0.273, 0, 0.727, 0]),
        (2, (100, 100), [0.1656, 0.0581, 0.6595, 0.1168], [0, 0, 1, 0]),
    ],
)
def test_gershman_2018(experiment, prior_variance, frequencies, protected):
    kinds = ("ucb", "thompson", "hybrid", "value")
    models = [find(f"kalman-{kind}", prior_variance=prior_variance) for kind in kinds]
    found = fit(gershman(experiment), models, "ml").selection
    assert found.frequencies == pytest.approx(frequencies, abs=5e-4)
    assert found.protected_exceedance == pytest.approx(
        protected, abs=2e-3 if experiment == 1 else 1e-3
    )
    stored = mat("gershman2018_bandit/bms_results.mat")["bms_results"][experiment - 1]
    assert found.bor == pytest.approx(float(stored.bor), rel=0.01)


def learning():
    """40 subjects of 100 choices between two, outcomes -1 and 1."""
    data = mat("piray_cbm/example_RL_task/all_data.mat")["data"]
    choice = np.stack([one.actions for one in data]).astype(int) - 1
    return behaviour(choice, np.stack([one.outcome for one in data]).astype(float))


def two_step():
    """20 subjects of 201 trials of the two-step task; trials that lack a choice are missed."""
    data = mat("piray_cbm/example_2step_task/all_data.mat")["data"]
    names = ("choice1", "state2", "choice2", "outcome")
    first, state, second, outcome = (
        np.stack([getattr(one, name) for one in data]).astype(int) for name in names
    )
    made = (first > 0) & (second > 0)
    return behaviour(
        np.where(made, first - 1, -1),
        np.where(made, 2.0 - outcome, np.nan),
        2,
        state2=np.where(made, state - 2, -1),
        choice2=np.where(made, second - 1, -1),
    )


def stored(path):
    return mat(path)["cbm"].output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "folder", "files"),
    [
        (learning, "example_RL_task", {"rw": "lap_RL.mat", "rw+dual": "lap_dualRL.mat"}),
        (
            two_step,
            "example_2step_task",
            {"hybrid": "lap_hybrid.mat", "mf": "lap_mf.mat", "mb": "lap_mb.mat"},
        ),
    ],
)
def test_no_evidence_is_below_that_of_cbm(data, folder, files):
    fits = fit(data(), [find(name) for name in files], "map")
    for name, file in files.items():
        above = fits[name].evidence - stored(f"piray_cbm/{folder}/{file}").log_evidence
        assert above.min() > -1e-2
        assert np.median(np.abs(above)) < 1e-3


@pytest.mark.slow
def test_hierarchical_inference_agrees_with_cbm():
    found = fit(learning(), [find("rw"), find("rw+dual")], "hbi")
    selection = found.selection
    output = stored("piray_cbm/example_RL_task/hbi_RL_dualRL.mat")
    assert selection.frequencies == pytest.approx(output.model_frequency, abs=5e-3)
    for name, mean in zip(("rw", "rw+dual"), output.group_mean, strict=True):
        assert found[name].mean == pytest.approx(mean, abs=1e-2)
    assert selection.exceedance == pytest.approx(output.exceedance_prob, abs=5e-3)
    assert selection.protected_exceedance == pytest.approx(
        output.protected_exceedance_prob, abs=5e-3
    )
    assert np.abs(selection.responsibilities - output.responsibility).max() < 0.02


@pytest.mark.slow
def test_hierarchical_inference_agrees_with_cbm_on_two_steps():
    found = fit(two_step(), [find(name) for name in ("hybrid", "mb", "mf")], "hbi")
    assert found.selection.frequencies == pytest.approx([0.653, 0.347, 0.0], abs=0.01)
