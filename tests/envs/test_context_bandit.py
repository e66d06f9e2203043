"""The two-colour contextual bandit: one trial tells all, colours of the halves are disjoint."""

import numpy as np
import pytest
import torch

from prefrontal import envs


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_one_trial_tells_all(play, learned_to_learn, split):
    returns = play(envs.ContextBandit(), learned_to_learn, 2000, split)["reward"][0].sum(1)
    assert returns.mean() == pytest.approx(99.5, abs=0.05)  # standard error .011
    assert set(returns.tolist()) == {99.0, 100.0}


def test_colours_are_complements_and_sides_are_shuffled(play, random_policy):
    record = {k: v[0] for k, v in play(envs.ContextBandit(), random_policy(2), 2000).items()}
    obs = record["observation"]
    assert (obs[..., :3] == -obs[..., 3:]).all()
    right = record["task.side"][..., None] == 1
    good = np.where(right, obs[..., 3:], obs[..., :3])
    colour = record["task.colour"][:, None].repeat(100, 1)
    np.testing.assert_allclose(good, 2 * colour - 1)
    assert (record["reward"] == record["correct"]).all()
    assert record["reward"].sum(1).mean() == pytest.approx(50.0, abs=0.5)
    assert record["task.side"].mean() == pytest.approx(0.5, abs=0.006)


def test_halves_hold_colours_with_their_complements():
    means = []
    for split in ("train", "held_out"):
        c = envs.ContextBandit().sample(20_000, split, torch.Generator().manual_seed(0))
        colour = c["colour"].double()
        for shown in (colour, 1 - colour):
            cells = (4 * (2 * shown - 1).abs()).floor().clamp(max=3).sum(1)
            wrong = cells % 2 != float(split == "held_out")
            assert wrong.float().mean() < 1e-3  # float32 rounding at the edges
        assert colour.mean() == pytest.approx(0.5, abs=0.006)
        assert colour.std() == pytest.approx(12**-0.5, abs=0.003)
        means.append((2 * colour - 1).norm(dim=1).mean().item())
    assert means[0] == pytest.approx(means[1], abs=0.01)  # equally far from grey


def test_colour_by_hand():
    env = envs.TaskVectorEnv("prefrontal.envs:ContextBandit", 1, trials=1, inputs=())
    obs, _ = env.reset(seed=0, options={"task": {"colour": [[1, 0, 0.5]], "side": [[1]]}})
    assert obs.tolist() == [[-1, 1, 0, 1, -1, 0]]
    assert env.step([1])[1][0] == 1.0
