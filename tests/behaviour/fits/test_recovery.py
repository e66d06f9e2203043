"""Recovery of parameters and of models from simulated subjects."""

import numpy as np
import pytest

from prefrontal.behaviour.fits.recovery import draws, recover, task_for
from prefrontal.behaviour.models.catalogue import find

MODELS = [find("biased-random"), find("rw")]


def test_clear_subjects_are_recovered():
    rng = np.random.default_rng(0)
    theta = {
        "biased-random": {
            MODELS[0].parameters[0].name: rng.choice([-1, 1], 12) * rng.uniform(1, 2, 12)
        },
        "rw": {"learning_rate": rng.uniform(0.2, 0.8, 12), "inverse_temperature": 6.0},
    }
    found = recover(MODELS, 12, 120, theta=theta)
    assert found.confusion.sum(axis=1) == pytest.approx([1, 1])
    assert found.confusion.diagonal().min() >= 0.8
    assert found.inversion.sum(axis=0) == pytest.approx([1, 1])
    (bias,) = found.r["biased-random"].values()
    assert bias > 0.9
    assert found.r["rw"]["learning_rate"] > 0.5
    assert np.isnan(found.r["rw"]["inverse_temperature"])  # all alike: nothing to correlate
    assert found.to_plain()["r"]["rw"]["inverse_temperature"] is None
    assert found.true["rw"]["inverse_temperature"].tolist() == [6.0] * 12


def test_the_same_seed_gives_the_same():
    one, other = (recover(MODELS[:1], 4, 20, seed=3) for _ in range(2))
    assert one.to_plain() == other.to_plain()
    assert one.confusion.tolist() == [[1.0]]


def test_draws_are_typical_or_from_the_prior():
    typical, prior = (draws(find("rw"), 4000, draw=draw) for draw in ("typical", "prior"))
    assert np.log(typical["inverse_temperature"]).mean() == pytest.approx(np.log(4), abs=0.05)
    assert np.log(typical["inverse_temperature"]).std() == pytest.approx(0.5, abs=0.05)
    assert np.log(prior["inverse_temperature"]).std() == pytest.approx(2.5, abs=0.1)
    with pytest.raises(ValueError, match="typical or prior"):
        draws(find("rw"), 4, draw="flat")


def test_tasks_suit_the_models():
    pay = task_for(MODELS, 2, 60).pay
    assert pay[0, :25, 0].tolist() == [0.8] * 25
    assert pay[0, 25:50, 0] == pytest.approx([0.2] * 25)
    assert pay[1, 0, 0] == pytest.approx(0.2)
    drifting = task_for([find("hybrid")], 3, 500).pay
    assert drifting.shape == (3, 500, 2, 2)
    assert drifting.min() >= 0.25
    assert drifting.max() <= 0.75
    assert np.abs(np.diff(drifting, axis=1)).max() < 0.15
