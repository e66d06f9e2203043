"""What agents are told, and what advantages are made of, in `benchmarks.rl2_noise`."""

import torch

from benchmarks.rl2_noise import ARMS, expect, gittins_choices, learner


def test_tied_arms_share_and_a_good_arm_is_kept():
    actions = torch.tensor([[0, 0], [0, 1], [3, 2]])
    rewards = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    told = gittins_choices(actions, rewards)
    assert told.shape == (3, 2, ARMS)
    torch.testing.assert_close(told[0], torch.full((2, ARMS), 1 / ARMS))
    # A win: that arm again. A loss: one of the nine that were not tried.
    assert told[1, 0].tolist() == [1.0] + 9 * [0.0]
    torch.testing.assert_close(told[1, 1], torch.tensor([0.0] + 9 * [1 / 9]))
    torch.testing.assert_close(told[2, 1], torch.tensor(2 * [0.0] + 8 * [1 / 8]))


def test_expected_rewards_take_the_place_of_those_paid():
    agent = learner(0, {"num_envs": 4})
    seen = []
    agent.critic.judge = lambda config, trajectory, *rest: seen.append(trajectory.rewards)
    expect(agent)
    trajectory = agent.rollout.collect()
    agent.critic.judge(agent.config, trajectory)
    p = agent.stages.now._params["p"]
    for episode in range(4):
        expected = p[episode][trajectory.actions[:, 0, episode]]
        torch.testing.assert_close(seen[0][:, 0, episode], expected)
