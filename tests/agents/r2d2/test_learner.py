"""Recurrent Q-learning: targets by hand, windows of episodes, burn-in, exactness.

And it learns.
"""

import pytest
import torch

from prefrontal.agents import EnvironmentSpec, NetworkConfig, registry
from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import PrefrontalError
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.r2d2.learner import ExploringRollout, QLearner
from prefrontal.agents.r2d2.population import QPopulation
from prefrontal.agents.r2d2.targets import dueling, q_targets, rescale, unscale
from prefrontal.agents.rollout.environments import make_envs, make_stages
from tests.agents.a2c.test_learner import curve, same
from tests.agents.helpers import BANDIT, register_countdown


def made(
    members=(0,), batch=4, trials=6, total_steps=2000, seed=0, network=None, stages=(), **config
):
    config = {"replay_start": 4, "replay_batch": 5, "target_interval": 2} | config
    spec = EnvironmentSpec(BANDIT, ("action", "reward", "time"), {"trials": trials}, stages=stages)
    envs = make_stages(spec, members, batch)
    network = network or NetworkConfig(hidden_size=8)
    return QLearner(envs, network, R2D2Config(**config), list(members), batch, total_steps, seed)


# --- values and targets ---


def test_dueling_by_hand():
    advantages = torch.tensor([3.0, 1.0, 2.0]).view(1, 1, 3, 1)
    q = dueling(advantages, torch.tensor(10.0).view(1, 1, 1))
    assert q.flatten().tolist() == [11.0, 9.0, 10.0]


def test_rescaling_by_hand_and_back():
    torch.testing.assert_close(rescale(torch.tensor([3.0, -8.0])), torch.tensor([1.003, -2.008]))
    x = torch.linspace(-300, 300, 41, dtype=torch.float64)
    torch.testing.assert_close(unscale(rescale(x)), x)


def window(*rows):
    """Columns of one window: (reward, learn, there, Q-values to choose by, Q-values)."""
    reward, learn, there, chooser, valuer = zip(*rows, strict=True)
    return (
        torch.tensor(reward).unsqueeze(1),
        torch.tensor(learn).unsqueeze(1),
        torch.tensor(there).unsqueeze(1),
        torch.tensor(chooser).unsqueeze(2),
        torch.tensor(valuer).unsqueeze(2),
    )


def test_targets_by_hand():
    going_on = window(
        (1.0, True, True, [0.0, 1.0], [5.0, 7.0]),
        (2.0, True, True, [1.0, 0.0], [4.0, 8.0]),  # valued 4: chosen by one, valued by the other
        (4.0, False, True, [0.0, 1.0], [3.0, 6.0]),  # to be valued only: 6
    )
    one = q_targets(*going_on, 0.5, 1)[:2].flatten()
    assert one.tolist() == [1 + 0.5 * 4, 2 + 0.5 * 6]
    two = q_targets(*going_on, 0.5, 2)[:2].flatten()
    assert two.tolist() == [1 + 0.5 * (2 + 0.5 * 6), 2 + 0.5 * 6]
    assert torch.equal(q_targets(*going_on, 0.5, 9)[:2].flatten(), two)
    ended = window(
        (1.0, True, True, [0.0, 1.0], [5.0, 7.0]),
        (2.0, True, True, [1.0, 0.0], [4.0, 8.0]),  # the last step of its episode
        (0.0, False, False, [0.0, 1.0], [3.0, 6.0]),
    )
    assert q_targets(*ended, 0.5, 1)[:2].flatten().tolist() == [3.0, 2.0]
    assert q_targets(*ended, 0.5, 5)[:2].flatten().tolist() == [2.0, 2.0]
    scaled = q_targets(*ended, 0.5, 1, rescaling=True)[:2].flatten()
    wanted = torch.stack([1 + 0.5 * unscale(torch.tensor(4.0)), torch.tensor(2.0)])
    torch.testing.assert_close(scaled, rescale(wanted))


# --- windows ---


@pytest.mark.parametrize(
    ("sequence", "burn_in"), [(None, 0), (3, 0), (4, 2), (4, 4), (5, 0), (10, 5)]
)
@pytest.mark.parametrize("core", ["lstm", "none"])
def test_windows_are_pieces_of_episodes_and_burn_in_is_the_full_unroll(sequence, burn_in, core):
    """With the weights that acted, the values in a window are those of the episode.

    Whatever the burn-in.
    """
    subject = made(
        [0, 1],
        batch=1,
        trials=11,
        sequence=sequence,
        burn_in=burn_in,
        replay_capacity=4,
        replay="uniform",
        replay_batch=12,
        network=NetworkConfig(core=core, hidden_size=8),
    )
    subject.rollout.exploration = torch.full((2, 1), 0.5)
    trajectory = subject.rollout.collect()
    subject.replay.add(trajectory)
    tape = trajectory.tapes[0]
    x, heads = torch.stack(tape.x_t[:11]), tape.heads.clone()
    drawn = subject.replay.draw(12)
    found = subject.unroll(subject.model, drawn)[0].heads
    learned = torch.zeros(2, 11)
    for m in range(2):
        for b in range(12):
            there = drawn.valid[:, m, b].nonzero().flatten()
            time = drawn.observations[:, m, -1, b]  # t / T tells the step
            steps = (time[there] * 11).round().long()
            assert steps.tolist() == list(range(int(steps[0]), int(steps[0]) + len(steps)))
            assert torch.equal(drawn.observations[there, m, :, b], x[steps, m, :, 0])
            assert torch.equal(drawn.rewards[there, m, b], trajectory.rewards[steps, m, 0])
            assert torch.equal(drawn.actions[there, m, b], trajectory.actions[steps, m, 0])
            torch.testing.assert_close(
                found[there, m, :, b], heads[steps, m, :, 0], rtol=1e-5, atol=1e-6
            )
            learned[m, (time[drawn.learn[:, m, b]] * 11).round().long()] = 1
            assert bool(drawn.burned[m, b]) == (bool(burn_in) and int(steps[0]) > 0)
            # the last slot is to be valued only, unless the episode ends with it
            if sequence and len(there) == sequence + 1 and steps[-1] < 10:
                assert not drawn.learn[sequence, m, b]
            if steps[-1] == 10:
                assert drawn.learn[there[-1], m, b]
    if sequence is None:
        assert learned.all()


@pytest.mark.parametrize("sequence", [None, 2])
def test_windows_of_episodes_that_were_cut(sequence):
    """The state in which a time limit cut an episode is there.

    No action of it is learned from.
    """
    envs = make_envs(EnvironmentSpec(register_countdown(), ()), [0], 8)
    config = R2D2Config(sequence=sequence, replay="uniform", replay_batch=64)
    subject = QLearner(envs, NetworkConfig(hidden_size=4), config, [0], 8, 1000, 0)
    subject.update()
    drawn = subject.replay.draw(64)
    left, length = drawn.observations[:, 0, 0], drawn.observations[:, 0, 1]
    for b in range(64):
        learn, there = drawn.learn[:, 0, b], drawn.valid[:, 0, b]
        assert (left[learn, b] > 0).all()
        for t in (there & ~learn).nonzero().flatten().tolist():
            inner = sequence is not None and t == sequence
            assert inner or (left[t, b] == 0 and length[t, b] % 2 == 1)
        if there[-1] and not learn[-1] and left[-1, b] == 0:
            assert length[-1, b] % 2 == 1


# --- exploration, exactness ---


def test_exploration():
    subject = made(batch=3, trials=400, exploration_spread=2.0)
    assert isinstance(subject.rollout, ExploringRollout)
    subject.rollout.exploration = torch.tensor([[0.0, 0.5, 1.0]])
    noise = subject.rollout.draw_noise()[0]  # [T, K, B]
    explored = (noise > 0).sum(1)
    assert explored.max() == 1
    rates = explored.double().mean(0)
    assert rates[0] == 0
    assert rates[2] == 1
    assert abs(rates[1] - 0.5) < 0.1
    assert abs((noise[:, 0, 2] > 0).double().mean() - 0.5) < 0.1
    subject.update()  # at the start ε = 1 everywhere, later ε^(1 + 2 i / 2)
    subject.steps += 500
    subject.update()
    epsilon = subject.rollout.exploration[0]
    torch.testing.assert_close(epsilon, epsilon[0] ** torch.tensor([1.0, 2.0, 3.0]))


CASES = {
    "whole episodes": {},
    "sequences": {
        "sequence": 4,
        "burn_in": 2,
        "trials": 9,
        "replay": "reservoir",
        "rescaling": True,
    },
    "stages": {
        "stages": ({"trials": 6}, {"trials": 8}),
        "total_steps": 240,
        "reset_optimiser": True,
        "anneal": "stage",
        "replay_capacity": 9,
        "optimiser_steps": 2,
    },
    "other network": {
        "network": NetworkConfig(core="gru", layout="separate", hidden_size=5),
        "sequence": 2,
        "double": False,
        "optimiser": "rmsprop",
    },
}


@pytest.mark.parametrize("case", CASES)
def test_a_member_learns_the_same_whoever_is_beside_it(case):
    together = curve(made([0, 4, 7], seed=3, **CASES[case]), 7)
    assert same(curve(made([4], seed=3, **CASES[case]), 7), together, [1])
    assert together[0][-1]["value_loss"].min() > 0


@pytest.mark.parametrize("case", CASES)
def test_goes_on_exactly_from_its_state(case):
    straight = made([0, 4], **CASES[case])
    for _ in range(6):
        straight.update()
    state = straight.state()
    assert all(len(value) == 2 for value in state.values())
    resumed = made([0, 4], **CASES[case])
    resumed.update()
    resumed.set_state(state)
    assert same(curve(straight), curve(resumed))


# --- learning ---


def trained(
    spec: EnvironmentSpec, network: NetworkConfig, config: R2D2Config, updates: int, batch: int
):
    """A population of two, trained, and the mean reward of a step when it acts greedily."""
    envs = make_envs(spec, [0], 1)
    job = Job(spec, network, config, 2, batch, int(updates * batch * envs.steps), 0)
    assert registry.updates(job) == updates
    subject = registry.make_learner(job, range(2))
    for _ in range(updates):
        subject.update()
    agents = registry.make_population(job, subject.state()["weights"])
    assert isinstance(agents, QPopulation)
    rewards = []
    for agent in agents:
        envs = make_envs(spec, [50], 100)
        envs.reset(seed=9)
        observation, state, total = envs.reset()[0], None, 0.0
        for _ in range(int(envs.steps)):
            action, state = agent.predict(observation.numpy(), state)
            observation, reward, *_ = envs.step(torch.from_numpy(action))
            total += reward.mean().item()
        rewards.append(total / int(envs.steps))
    return rewards


def test_learns_to_learn():
    spec = EnvironmentSpec(
        "prefrontal/CorrelatedBandit-v0", ("action", "centred_reward", "time"), {"trials": 10}
    )
    config = R2D2Config(learning_rate=1e-2, discount=0.6, optimiser_steps=2, replay_capacity=400)
    network = NetworkConfig(hidden_size=16, input_gain=3.0)
    assert min(trained(spec, network, config, 120, 16)) > 0.62


@pytest.mark.slow
def test_learns_which_colour_pays_most():
    spec = EnvironmentSpec("prefrontal/ChangingReward-v0", (), {"trials": 20})
    config = R2D2Config(
        learning_rate=1e-2, discount=0.0, n_step=1, optimiser_steps=2, replay="reservoir"
    )
    network = NetworkConfig(core="relu", hidden_size=32)
    assert min(trained(spec, network, config, 80, 4)) > 2.6  # of 8/3; chance is 2


# --- errors ---


def test_what_is_refused():
    network = NetworkConfig(layout="separate", actor_reward="rpe")
    with pytest.raises(PrefrontalError, match="cannot be combined with actor_reward"):
        made(network=network)
    with pytest.raises(ValueError, match="burn_in needs a sequence"):
        R2D2Config(sequence=5, burn_in=3)
    subject = made([3, 7])
    weights = subject.model.parameters
    weights[1, 5] = float("nan")
    subject.model.set_parameters(weights)
    with pytest.raises(PrefrontalError, match=r"member 7 is not a number at step 24"):
        subject.update()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("discount", 1.5),
        ("exploration", -0.1),
        ("learning_rate", 0.0),
        ("clip_norm", 0.0),
        ("n_step", 0),
        ("replay_capacity", 0),
        ("replay_batch", 0),
        ("target_interval", 0),
        ("sequence", 0),
        ("replay_start", 10**9),
        ("exploration_spread", -1.0),
    ],
)
def test_hyper_parameters_have_ranges(name, value):
    with pytest.raises(ValueError, match=name):
        R2D2Config(**{name: value})
