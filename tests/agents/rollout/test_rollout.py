"""Rollouts: what is recorded is what happened, and happened when it is recorded."""

import numpy as np
import pytest
import torch
from scipy import stats

from prefrontal.agents import EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.rollout import Rollout
from tests.agents.helpers import BANDIT, register_countdown


def made(
    env_id: str = BANDIT,
    members: int = 2,
    batch: int = 3,
    *,
    inputs=("action", "reward", "time"),
    kwargs=None,
    network: NetworkConfig | None = None,
    privileged: bool = False,
    facts: bool = False,
) -> Rollout:
    spec = EnvironmentSpec(env_id, inputs, {"trials": 5} if kwargs is None else kwargs)
    envs = make_envs(spec, range(members), batch, privileged=privileged, facts=facts)
    envs.reset(seed=1)
    model = ActorCritic(
        envs.single_observation_space.shape[0],
        envs.num_actions,
        network or NetworkConfig(hidden_size=6),
        members,
    )
    model.initialise([generator(0, m, "weights") for m in range(members)])
    actions = [generator(0, m, "actions") for m in range(members)]
    return Rollout(envs, model, batch, actions, privileged, facts)


def test_episodes_begin_in_the_initial_state_and_only_there():
    rollout = made()
    for _ in range(2):  # the second episode does not go on from the first
        tapes = rollout.collect().tapes
        assert not any(part.any() for part in rollout.model.state(tapes, 0)[0])
        assert all(part.any() for t in range(1, 6) for part in rollout.model.state(tapes, t)[0])


def test_inputs_show_the_step_before():
    rollout = made()
    trajectory = rollout.collect()
    where, (tape,) = rollout.envs.input_slices, trajectory.tapes
    x = torch.stack(tape.x_t[:5])  # [T, P, I, B]
    assert (x[:, :, where["observation"]] == 1).all()
    assert not x[0, :, 1:].any()
    one_hot = torch.nn.functional.one_hot(trajectory.actions, 2).transpose(2, 3)
    assert torch.equal(x[1:, :, where["action"]], one_hot[:-1].float())
    assert torch.equal(x[1:, :, where["reward"]].squeeze(2), trajectory.rewards[:-1])
    time = torch.arange(5).view(5, 1, 1) / 5
    torch.testing.assert_close(x[:, :, where["time"]].squeeze(2), time.expand(5, 2, 3).float())
    assert trajectory.actions.unique().tolist() == [0, 1]
    assert trajectory.rewards.unique().tolist() == [0.0, 1.0]


def test_facts_and_tasks_are_those_of_the_rows():
    trajectory = made(batch=50, facts=True).collect()
    p = trajectory.task["p"]  # [P, B, K]
    assert p.shape == (2, 50, 2)
    chosen = p.expand(5, -1, -1, -1).gather(3, trajectory.actions.unsqueeze(3)).squeeze(3)
    assert torch.equal(trajectory.facts["expected_reward"], chosen)
    assert torch.equal(trajectory.facts["trial"][:, 0, 0], torch.arange(5))
    assert not torch.equal(p[0], p[1])
    # a row's rewards come from that row's arms
    assert trajectory.rewards[chosen > 0.9].mean() > trajectory.rewards[chosen < 0.1].mean() + 0.5


def test_privileged_features_are_of_the_state_the_action_is_chosen_in():
    trajectory = made(privileged=True, facts=True).collect()
    seen, p = trajectory.privileged, trajectory.task["p"]
    assert torch.equal(seen[..., :2], p.expand(5, -1, -1, -1))
    time = torch.arange(5).view(5, 1, 1) / 5
    torch.testing.assert_close(seen[..., 2], time.expand(5, 2, 3).float())


def test_actions_are_drawn_from_the_softmax():
    rollout = made(
        "prefrontal/BernoulliBandit-v0",
        batch=20_000,
        inputs=(),
        kwargs={"arms": 5, "trials": 1},
    )
    net = rollout.model.nets[0]
    flat = rollout.model.parameters
    net.plain.views(flat)["head.weight"].mul_(6)
    rollout.model.set_parameters(flat)  # a policy far from uniform
    trajectory = rollout.collect()
    logits, _ = rollout.model.heads(trajectory.tapes)
    for member in range(2):
        wanted = logits[0, member, :, 0].double().softmax(0).numpy()
        counts = np.bincount(trajectory.actions[0, member].numpy(), minlength=5)
        assert wanted.max() - wanted.min() > 0.2
        assert stats.chisquare(counts, wanted * counts.sum()).pvalue > 0.01
    greedy = rollout.collect(deterministic=True).actions
    assert torch.equal(greedy, logits[0].argmax(1).expand(1, -1, -1))


def test_draws_of_different_steps_and_rows_are_independent():
    noise = made(batch=400, kwargs={"trials": 2}).draw_noise()  # [P, T, K, B]
    flat = noise.permute(0, 1, 2, 3).flatten(0, 2)
    correlation = torch.corrcoef(flat) - torch.eye(len(flat))
    assert correlation.abs().max() < 0.2


@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_unequal_episodes(layout):
    env_id = register_countdown(longest=5)
    network = NetworkConfig(hidden_size=6, layout=layout)
    rollout = made(env_id, batch=20, kwargs={}, inputs=("action", "reward"), network=network)
    for _ in range(2):
        trajectory = rollout.collect()
        length = trajectory.tapes[0].x_t[0][:, 1]  # [P, B]
        assert set(length.unique().tolist()) == {1.0, 2.0, 3.0, 4.0, 5.0}
        assert trajectory.steps == 5
        steps = torch.arange(5).view(5, 1, 1)
        assert torch.equal(trajectory.mask, (steps < length).float())
        assert torch.equal(trajectory.truncated, length % 2 == 1)
        assert torch.equal(trajectory.rewards, (trajectory.actions + 1) * trajectory.mask)
        for tape in trajectory.tapes:
            assert tape.used == 6
            left = torch.stack([x[:, 0] for x in tape.x_t[:6]])
            wanted = (length - torch.arange(6).view(6, 1, 1)).clamp(min=0)
            assert torch.equal(left, wanted)
        logits, values = rollout.model.heads(trajectory.tapes)
        assert len(logits) == len(values) == 6


def test_stops_when_the_last_episode_has_ended():
    rollout = made(register_countdown(longest=30), batch=1, members=1, kwargs={}, inputs=())
    lengths = set()
    for _ in range(20):
        trajectory = rollout.collect()
        length = int(trajectory.tapes[0].x_t[0][0, 1, 0])
        assert trajectory.steps == length
        assert trajectory.mask.shape == (length, 1, 1)
        assert trajectory.mask.all()
        lengths.add(length)
    assert len(lengths) > 5
