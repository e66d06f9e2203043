"""How models are applied to trials: missing and forced trials, resets, leading dimensions."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.behaviour.models.rescorla_wagner import RescorlaWagner
from prefrontal.behaviour.models.run import run, tabulate
from prefrontal.behaviour.table import behaviour

RW = RescorlaWagner()
THETA = {"learning_rate": torch.tensor([0.5]).double(), "inverse_temperature": torch.ones(1)}


def table(choice, reward, **more):
    return behaviour(np.array([choice]), np.array([reward], float), 2, **more)


def test_three_trials_by_hand():
    ran = run(RW, THETA, table([0, 0, 1], [1, 0, 1]), latents=True)
    values = [[0, 0], [0.5, 0], [0.25, 0]]
    assert ran.latents["values"][0].tolist() == values
    assert ran.latents["rpe"][0].tolist() == [1, -0.5, 1]
    p = [0.5, 1 / (1 + math.exp(-0.5)), 1 / (1 + math.exp(0.25))]
    assert ran.log_p[0].exp().tolist() == pytest.approx(p)
    assert ran.latents["policy"][0, :, 0].tolist() == pytest.approx([p[0], p[1], 1 - p[2]])
    assert ran.total.item() == pytest.approx(sum(map(math.log, p)))


def test_missed_trials_change_nothing_and_forced_ones_are_learned_from():
    whole = run(RW, THETA, table([0, 1, 0], [1, 1, 0]), latents=True)
    missed = run(RW, THETA, table([0, -1, 1, -1, 0], [1, 5, 1, np.nan, 0]), latents=True)
    kept = [0, 2, 4]
    assert torch.equal(missed.log_p[:, kept], whole.log_p)
    assert not missed.log_p[:, [1, 3]].any()
    assert torch.equal(missed.latents["values"][:, kept], whole.latents["values"])
    made = table([0, 1, 0], [1, 1, 0])
    forced = run(RW, THETA, replace(made, scored=np.array([[True, False, True]])), latents=True)
    assert torch.equal(forced.latents["values"], whole.latents["values"])
    assert forced.log_p[0, 1] == 0
    assert torch.equal(forced.log_p[:, [0, 2]], whole.log_p[:, [0, 2]])
    assert not torch.equal(whole.latents["values"][:, 2], whole.latents["values"][:, 1])


def test_unknown_rewards_teach_nothing_and_the_choice_counts():
    ran = run(RW, THETA, table([0, 1, 0], [1, np.nan, 0]), latents=True)
    assert ran.latents["values"][0].tolist() == [[0, 0], [0.5, 0], [0.5, 0]]
    assert ran.log_p[0, 1] < 0


def test_values_start_anew_where_the_table_says_so():
    block = np.array([[0, 0, 1, 1]])
    choice, reward = [0, 1, 0, 1], [1, 1, 1, 1]
    persev = RescorlaWagner(("persev",))
    theta = {**THETA, "perseveration": torch.ones(1).double()}
    anew = run(persev, theta, table(choice, reward, block=block, resets="block"), latents=True)
    half = run(persev, theta, table(choice[:2], reward[:2]), latents=True)
    for name in ("values", "policy"):
        assert torch.equal(anew.latents[name][:, 2:], half.latents[name])
    on = run(persev, theta, table(choice, reward, block=block, resets="never"), latents=True)
    assert not torch.equal(on.latents["values"][:, 2:], half.latents["values"])


def test_many_parameter_vectors_at_once_are_as_one_by_one():
    rng = np.random.default_rng(0)
    data = behaviour(rng.integers(-1, 3, (4, 20)), rng.random((4, 20)), 3)
    model = RescorlaWagner(("dual", "forget", "persev", "lapse", "bias"), arms=3)
    raw = torch.randn(2, 3, 4, len(model.parameters), dtype=torch.float64)
    whole = run(model, model.theta(raw), tabulate(data, model), latents=True)
    assert whole.log_p.shape == (2, 3, 4, 20)
    assert whole.latents["policy"].shape == (2, 3, 4, 20, 3)
    one = run(model, model.theta(raw[1, 2]), data)
    torch.testing.assert_close(whole.log_p[1, 2], one.log_p, rtol=0, atol=1e-14)
    shared = run(model, model.theta(raw[1, 2, :1]), data)
    torch.testing.assert_close(shared.log_p[0], one.log_p[0], rtol=0, atol=1e-14)


def test_gradients():
    rng = np.random.default_rng(0)
    data = behaviour(rng.integers(-1, 3, (2, 6)), rng.random((2, 6)), 3)
    model = RescorlaWagner(("dual", "forget", "persev", "lapse", "bias"), arms=3)
    raw = torch.randn(2, len(model.parameters), dtype=torch.float64, requires_grad=True)
    trials = tabulate(data, model)
    assert torch.autograd.gradcheck(lambda x: run(model, model.theta(x), trials).total, raw)
    torch.testing.assert_close(model.raw(model.theta(raw)), raw)


def test_arms_that_cannot_be_chosen_have_no_probability():
    available = np.ones((1, 2, 3), bool)
    available[0, 1, 2] = False
    data = behaviour([[2, 0]], [[1.0, 0.0]], 3, available=available)
    model = RescorlaWagner(("lapse",))
    theta = {**THETA, "lapse": torch.full((1,), 0.2).double()}
    policy = run(model, theta, data, latents=True).latents["policy"][0]
    assert policy[1].tolist() == [0.5, 0.5, 0]  # 0.8 * 0.5 + 0.2 / 2


def test_what_is_needed_is_missed():
    class Needy(RescorlaWagner):
        needs = ("stakes",)

    with pytest.raises(ValueError, match="rw needs stakes, which these data do not have"):
        run(Needy(), THETA, table([0, 1], [1, 1]))
