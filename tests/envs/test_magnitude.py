"""Seven amounts: how often each comes, what an observer of them expects, and the halves."""

import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.envs.magnitude import AMOUNTS
from prefrontal.envs.splits import in_train_parity


def test_amounts_come_as_often_as_they_should(play, random_policy):
    w = np.array([0.4, 0.0, 0.1, 0.05, 0.25, 0.0, 0.2])
    options = {"task": {"w": np.tile(w, (400, 1))}}
    record = play(envs.VariableMagnitude(), random_policy(1), 400, options=options)
    amounts = 20.0 * record["reward"]
    shares = [np.isclose(amounts, amount).mean() for amount in AMOUNTS]
    np.testing.assert_allclose(shares, w, atol=0.01)
    assert shares[1] == shares[5] == 0.0
    np.testing.assert_allclose(20 * record["expected_reward"], w @ AMOUNTS, rtol=1e-5)


def test_the_next_amount_is_what_the_docstring_says(play, random_policy):
    reward = play(envs.VariableMagnitude(trials=10), random_policy(1), 40_000)["reward"][0]
    index = np.abs(20.0 * reward[..., None] - np.array(AMOUNTS)).argmin(-1)
    for amount in (0, 6):  # the first and the last part of the stick
        seen = (index[:, :9] == amount).sum(1)
        for count in (0, 2):
            share = (index[seen == count, 9] == amount).mean()
            assert share == pytest.approx((count + 1) / 16, abs=0.01)


def test_halves_are_disjoint_and_have_the_same_means():
    task = envs.VariableMagnitude()
    for split in ("train", "held_out"):
        w = task.sample(50_000, split, torch.Generator().manual_seed(0))["w"].double()
        torch.testing.assert_close(w.sum(1), torch.ones(50_000).double(), atol=1e-5, rtol=0)
        torch.testing.assert_close(w.mean(0), torch.full((7,), 1 / 7).double(), atol=2e-3, rtol=0)
        assert w.var(0).tolist() == pytest.approx([6 / (49 * 8)] * 7, abs=5e-4)
        # BACK to the numbers that the stick was broken at
        left = 1.0 - torch.cat([torch.zeros(len(w), 1), w[:, :-1].cumsum(1)], 1)
        power = torch.arange(6, 0, -1)
        cube = 1.0 - (left[:, 1:] / left[:, :-1]) ** power
        cell = (8 * cube) % 1
        inside = ((cell > 0.01) & (cell < 0.99)).all(1)  # rounding cannot change the cell
        assert (in_train_parity(cube[inside]) == (split == "train")).all()


def test_probabilities_must_sum_to_one():
    env = envs.TaskVectorEnv("prefrontal.envs:VariableMagnitude", 1)
    with pytest.raises(ValueError, match="'w' must sum to 1"):
        env.reset(options={"task": {"w": [[0.5] * 7]}})
