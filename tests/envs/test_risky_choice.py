"""Risky choice: what the arms pay, and halves in which risk is worth it equally often."""

import numpy as np
import pytest
import torch

from prefrontal import envs
from prefrontal.envs.splits import in_train_bands


def test_arms_pay_what_they_should(play, random_policy):
    record = {k: v[0] for k, v in play(envs.RiskyChoice(), random_policy(2), 4000).items()}
    risky, reward = record["action"] == 1, record["reward"]
    assert (reward[~risky] == 0.25).all()
    assert set(np.unique(reward[risky])) == {0.0, 1.0}
    assert (record["risky"] == risky).all()
    p = np.broadcast_to(record["task.p"][:, None], reward.shape)
    for low in (0.0, 0.2, 0.4):
        near = risky & (p >= low) & (p < low + 0.1)
        assert reward[near].mean() == pytest.approx(p[near].mean(), abs=0.01)
    np.testing.assert_array_equal(record["expected_reward"], np.where(risky, p, np.float32(0.25)))
    np.testing.assert_array_equal(record["optimal_reward"], np.maximum(p, np.float32(0.25)))
    assert (record["optimal_action"] == (p >= 0.25)).all()
    # Safe, risky and random earn the same on average; who knows p earns the mean of max(p, 1/4).
    assert reward.mean() == pytest.approx(0.25, abs=0.005)
    assert record["optimal_reward"].mean() == pytest.approx(0.3125, abs=0.004)


def test_rewards_are_exactly_the_declared_values():
    env = envs.TaskVectorEnv(
        "prefrontal.envs:RiskyChoice", 200, small=0.3, inputs=("reward_one_hot",)
    )
    env.reset(seed=0)
    for action in (0, 1, 1):
        obs, *_ = env.step(np.full(200, action))
        assert (obs[:, 1:].sum(1) == 1).all()


def test_halves_are_disjoint_and_risk_pays_equally_often():
    for split in ("train", "held_out"):
        p = envs.RiskyChoice().sample(20_000, split, torch.Generator().manual_seed(0))["p"].double()
        assert (in_train_bands(p / 0.5) != (split == "train")).float().mean() < 1e-3
        assert p.mean() == pytest.approx(0.25, abs=0.004)
        assert p.std() == pytest.approx(0.5 / 12**0.5, abs=0.003)
        assert (p >= 0.25).float().mean() == pytest.approx(0.5, abs=0.015)


def test_probabilities_by_hand():
    env = envs.TaskVectorEnv("prefrontal.envs:RiskyChoice", 2, trials=3)
    env.reset(seed=0, options={"task": {"p": [0.0, 1.0]}})
    assert env.step([1, 1])[1].tolist() == [0.0, 1.0]
    assert env.step([0, 0])[1].tolist() == [0.25, 0.25]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"small": 1.0}, "small must be above 0 and below 1"),
        ({"low": 0.6}, "low must be below high"),
        ({"trials": 0}, "trials must be at least 1"),
    ],
)
def test_bad_fields_are_errors(fields, message):
    with pytest.raises(ValueError, match=message):
        envs.RiskyChoice(**fields)
