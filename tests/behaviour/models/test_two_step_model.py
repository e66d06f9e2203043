"""The hybrid of the two-step task and its restrictions, by hand and against other code."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from prefrontal.analysis.choice.cognitive_models import ChoiceData
from prefrontal.analysis.choice.hybrid_model import Hybrid
from prefrontal.behaviour.models.catalogue import find
from prefrontal.behaviour.models.run import run
from prefrontal.behaviour.table import behaviour

HERE = Path(__file__).parents[3]
DATA = Path(os.environ.get("PREFRONTAL_DATA", HERE.parent / "shared/data"))


def tensors(**values):
    return {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}


def test_three_trials_by_hand():
    data = behaviour(
        [[0, 0, 1]],
        [[1.0, 0.0, 1.0]],
        2,
        state2=np.array([[0, 1, 1]]),
        choice2=np.array([[1, 0, 0]]),
        mapping=np.array([[0, 1]]),
        common=0.8,
    )
    theta = tensors(alpha1=0.5, alpha2=0.4, w=0.25, beta1=2.0, perseveration=0.3, beta2=3.0)
    theta["lambda"] = torch.tensor([0.6], dtype=torch.float64)
    ran = run(find("hybrid"), theta, data, latents=True)
    # Trial 1: Q2(0, 1) = 0.4; QTD(0) = 0.5 * 0.6 * 1 = 0.3.
    # Trial 2: Q2(1, 0) stays 0, QTD(0) += 0.5 (0 - 0.3) + 0.3 * 0 = 0.15.
    second = [[0, 0, 0, 0], [0, 0.4, 0, 0], [0, 0.4, 0, 0]]
    assert np.allclose(ran.latents["second_values"][0], second, atol=1e-15)
    assert np.allclose(ran.latents["values"][0], [[0, 0], [0.3, 0], [0.15, 0]], atol=1e-15)
    planned = [[0, 0], [0.8 * 0.4, 0.2 * 0.4], [0.32, 0.08]]
    assert np.allclose(ran.latents["planned_values"][0], planned, atol=1e-15)
    assert ran.latents["rpe"][0].tolist() == [1, 0, 1]
    stay = [2 * (0.25 * 0.24 + 0.75 * 0.3) + 0.3, 2 * (0.25 * 0.24 + 0.75 * 0.15) + 0.3]
    p = [0.5, 1 / (1 + np.exp(-stay[0])), 1 / (1 + np.exp(stay[1]))]
    assert ran.log_p[0].exp().tolist() == pytest.approx(p)
    assert ran.log_p2 is not None
    assert ran.log_p2[0].exp().tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_transitions_are_counted_where_the_table_does_not_say():
    data = behaviour([[0, 0, 1, 1]], [[1.0, 1.0, 1.0, 0.0]], 2, state2=np.array([[1, 0, 0, 1]]))
    theta = tensors(alpha2=0.5, beta1=1.0, perseveration=0.0)
    ran = run(find("mb-reduced"), theta, data, latents=True)
    # Against 0 -> 0; a tie; against again. Values of states: (0, .5), (.5, .5), (.75, .5).
    planned = [[0, 0], [0.35, 0.15], [0.5, 0.5], [0.3 * 0.75 + 0.35, 0.7 * 0.75 + 0.15]]
    assert np.allclose(ran.latents["planned_values"][0], planned)


@pytest.mark.parametrize("options", [1, 2])
def test_is_the_hybrid_of_the_analysis(options):
    rng = np.random.default_rng(options)
    shape = (3, 40)
    missed = rng.random(shape) < 0.1
    first, state, second = (np.where(missed, -1, rng.integers(0, 2, shape)) for _ in range(3))
    reward = np.where(missed, np.nan, rng.integers(0, 2, shape))
    second = second if options > 1 else None
    mapping = np.tile([0, 1], (3, 1))
    data = behaviour(first, reward, 2, state2=state, choice2=second, mapping=mapping, common=0.7)
    model = find("hybrid" if options > 1 else "hybrid-reduced")
    old = Hybrid(0.7, options)
    for w in (0.0, 0.4, 1.0):
        values = dict(zip(old.names, (0.3, 0.6, 0.7, w, 2.5, 0.2, 1.5), strict=False))
        expected = old.log_likelihood(
            np.array([list(values.values())]), ChoiceData(first, reward, 2, state, second)
        )
        values["perseveration"] *= values["beta1"]
        found = run(model, tensors(**values), data).total.sum()
        assert abs(float(found) - expected[0]) < 1e-10
        kind = {0.0: "mf", 1.0: "mb"}.get(w)
        if kind is not None:
            restricted = find(model.name.replace("hybrid", kind))
            kept = {one.name: values[one.name] for one in restricted.parameters}
            total = run(restricted, tensors(**kept), data).total.sum()
            assert abs(float(total) - expected[0]) < 1e-10


def cbm(folder, file):
    io = pytest.importorskip("scipy.io")
    place = DATA / "piray_cbm" / folder / file
    if not place.is_file():
        pytest.skip("needs the example data of the cbm toolbox")
    return io.loadmat(place, squeeze_me=True, struct_as_record=False)


@pytest.mark.parametrize("name", ["hybrid", "mf", "mb"])
def test_likelihoods_of_the_cbm_toolbox_in_the_two_step_task(name):
    people = cbm("example_2step_task", "all_data.mat")["data"]
    stored = cbm("example_2step_task", f"lap_{name}.mat")["cbm"]
    columns = {
        key: np.stack([getattr(one, key) for one in people]).astype(int)
        for key in ("choice1", "state2", "choice2", "outcome")
    }
    missed = (columns["choice1"] == 0) | (columns["choice2"] == 0) | (columns["outcome"] == 0)
    data = behaviour(
        np.where(missed, -1, columns["choice1"] - 1),
        np.where(missed, np.nan, columns["outcome"] == 1),
        state2=np.where(missed, -1, columns["state2"] - 2),
        choice2=np.where(missed, -1, columns["choice2"] - 1),
    )
    model = find(name)
    raw = torch.from_numpy(np.stack(stored.output.parameters).astype(float))
    assert raw.shape == (20, len(model.parameters))
    prior = torch.distributions.Normal(0.0, 6.25**0.5).log_prob(raw).sum(-1)
    found = run(model, model.theta(raw), data).total + prior
    expected = torch.from_numpy(np.asarray(stored.math.loglik, float))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "file"), [("rw", "lap_RL.mat"), ("rw+dual", "lap_dualRL.mat")])
def test_likelihoods_of_the_cbm_toolbox_in_a_bandit(name, file):
    people = cbm("example_RL_task", "all_data.mat")["data"]
    stored = cbm("example_RL_task", file)["cbm"]
    data = behaviour(
        np.stack([one.actions for one in people]).astype(int) - 1,
        np.stack([one.outcome for one in people]).astype(float),
    )
    model = find(name)
    raw = torch.from_numpy(np.stack(stored.output.parameters).astype(float))
    prior = torch.distributions.Normal(0.0, 6.25**0.5).log_prob(raw).sum(-1)
    found = run(model, model.theta(raw), data).total + prior
    expected = torch.from_numpy(np.asarray(stored.math.loglik, float))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_data_that_are_of_another_task():
    data = behaviour([[0, 1]], [[1, 0]], state2=np.array([[0, 2]]), choice2=np.array([[0, 1]]))
    theta = {one.name: torch.ones(1).double() / 2 for one in find("mf").parameters}
    with pytest.raises(ValueError, match="mf is a model of 2 first choices, 2 states and 2"):
        run(find("mf"), theta, data)
