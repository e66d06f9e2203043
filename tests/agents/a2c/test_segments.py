"""Segments of episodes against a plain re-implementation, step by step in double precision."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv
from torch.func import functional_call

from prefrontal.agents import A2C, EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.returns import estimate
from prefrontal.agents.networks.config import HeadConfig
from prefrontal.agents.networks.vectorised import Net, Vectorised
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.rollout import Trajectory
from tests.agents.helpers import Countdown, a2c, learner, register_countdown

BATCH, MEMBERS, LONGEST = 4, 2, 5
MODES = {mode.value: mode for mode in AutoresetMode}


def countdown(kind: str) -> str:
    """Register `Countdown` as single environments, or as a vector that goes on in some way."""
    if kind in ("single", "workers"):
        return register_countdown(LONGEST)
    make = [lambda: Countdown(LONGEST)]
    env_id = f"tests/Segments{kind}-v0"
    if env_id not in gymnasium.registry:
        gymnasium.register(
            env_id,
            vector_entry_point=lambda num_envs, max_episode_steps=9: (
                DummyVecEnv(make * num_envs)
                if kind == "SB3"
                else SyncVectorEnv(make * num_envs, autoreset_mode=MODES[kind])
            ),
            max_episode_steps=9,
        )
    return env_id


def subject(kind: str = "single", core: str = "lstm", layout: str = "shared", **config) -> A2C:
    kwargs = {"env_workers": 2} if kind == "workers" else {}
    spec = EnvironmentSpec(countdown(kind), ("action", "reward"), kwargs)
    own = {"memory": 6} if core == "attention" else {}
    network = NetworkConfig(core=core, layout=layout, hidden_size=8, core_kwargs=own)
    config = {"gae_lambda": 0.8, "discount": 0.9, "segment": 7, **config}
    envs = make_envs(spec, range(MEMBERS), BATCH)
    return A2C(envs, network, a2c(**config), range(MEMBERS), BATCH, 10_000, 3)


class Reference:
    """One row of one member, from the definitions: its networks, its state and what it is shown."""

    def __init__(self, learner: A2C, member: int, row: int):
        self.member, self.row, self.learner = member, row, learner
        self.nets = [
            Net(n.input_size, n.output_size, n.config).double() for n in learner.model.nets
        ]
        self.states = None

    def begin(self):
        self.states = [net.initial_state(1) for net in self.nets]

    def say(self, parameters, x):
        """Return logits and value, and the states after this step."""
        sizes = [net.parameters.shape[1] for net in self.learner.model.nets]
        outputs, states = [], []
        flat = parameters[self.member : self.member + 1]
        for net, part, state in zip(self.nets, flat.split(sizes, 1), self.states, strict=True):
            views = {name: view[0] for name, view in Vectorised(net).views(part).items()}
            said, _, state = functional_call(net, views, (x[None], state))
            outputs.append(said[0])
            states.append(state)
        logits = outputs[0][:3]
        return logits, outputs[-1][-1], states


def shows(length, n, action, reward) -> torch.Tensor:
    """Return what a countdown shows after n steps, with the action and reward before."""
    one_hot = torch.zeros(3) if action is None else torch.eye(3)[action]
    return torch.tensor([length - n, length, *one_hot.tolist(), reward], dtype=torch.float64)


def check_segment(agents: A2C, rows: list[Reference], now: dict) -> None:
    """Let agents make one update, and repeat it from the definitions.

    `now` has for each row (steps of its episode so far, previous action, previous reward, length);
    None: a new episode starts. What is shown of a `Countdown` follows from that.
    """
    steps_made, config, waits = [], agents.config, "NextStep" in agents.stages.now.spec.id
    collect, step = agents.rollout.collect, agents.optimiser.step

    def spied_collect():
        trajectory = collect()
        found.append(replace(trajectory, rewards=trajectory.rewards.clone()))
        found.append(torch.stack(trajectory.tapes[0].x_t[: trajectory.steps]).double())
        return trajectory

    def spied_step(parameters, gradient, rate):
        steps_made.append((parameters.clone().double(), gradient.clone().double()))
        step(parameters, gradient, rate)

    found = []
    agents.rollout.collect, agents.optimiser.step = spied_collect, spied_step
    agents._at_once = lambda trajectory: False
    metrics = agents.update()
    agents.rollout.collect, agents.optimiser.step = collect, step
    trajectory, x = found
    leaf = steps_made[0][0].requires_grad_()
    losses, returned = [[] for _ in range(MEMBERS)], [[] for _ in range(MEMBERS)]
    for ref in rows:
        key, terms = (ref.member, ref.row), []
        ref.states = ref.states and [tuple(x.detach() for x in one) for one in ref.states]
        for t in range(config.segment):
            shown, action = x[t, ref.member, :, ref.row], trajectory.actions[t][key]
            if now.get(key) == "waits":
                now[key] = None
                assert trajectory.mask[t][key] == 0
                assert trajectory.rewards[t][key] == 0
                continue
            assert trajectory.mask is None or trajectory.mask[t][key] == 1
            if now.get(key) is None:
                now[key] = [0, None, 0.0, float(shown[1]), 0.0]
                ref.begin()
            n, before, paid, length, total = now[key]
            torch.testing.assert_close(shown, shows(length, n, before, paid))
            logits, value, ref.states = ref.say(leaf, shown)
            reward = float(action) + 1
            assert trajectory.rewards[t][key] == reward
            now[key] = [n + 1, int(action), reward, length, total + reward]
            following, ends = None, n + 1 == length
            if (ends and length % 2) or (not ends and t + 1 == config.segment):
                seen = shows(length, n + 1, int(action), reward)
                following = float(ref.say(leaf.detach(), seen)[1].detach())
            elif ends:
                following = 0.0
            terms.append((logits, value, action, reward, following))
            if ends:
                returned[ref.member].append(total + reward)
                now[key] = "waits" if waits else None
        losses[ref.member] += judged(config, terms)
    total = torch.stack([torch.stack(one).mean() for one in losses]).sum()
    (gradient,) = torch.autograd.grad(total, leaf)
    gradient *= (config.clip_norm / (gradient.norm(dim=1, keepdim=True) + 1e-6)).clamp(max=1)
    torch.testing.assert_close(
        steps_made[0][1], gradient, rtol=1e-3, atol=2e-5 * float(gradient.abs().max())
    )
    means = [sum(one) / len(one) for one in returned]
    torch.testing.assert_close(metrics["return"], torch.tensor(means, dtype=torch.float64))


def judged(config, terms):
    """Return the loss of every step of a row."""
    losses, advantage = [], 0.0
    for k in reversed(range(len(terms))):
        logits, value, action, reward, following = terms[k]
        goes_on = following is None
        after = float(terms[k + 1][1].detach()) if goes_on else following
        delta = reward + config.discount * after - float(value.detach())
        decay = config.discount * config.gae_lambda if goes_on else 0.0
        advantage = delta + decay * (advantage if goes_on else 0.0)
        p = logits.log_softmax(0)
        error = (value - (advantage + float(value.detach()))).square()
        entropy = -(p.exp() * p).sum()
        losses.append(-p[action] * advantage + config.value_coef * error)
        losses[-1] = losses[-1] - config.entropy_coef * entropy
    return losses


def check_segments(agents: A2C, count: int = 3) -> None:
    rows = [Reference(agents, m, b) for m in range(MEMBERS) for b in range(BATCH)]
    now = {}
    for _ in range(count):
        check_segment(agents, rows, now)
    agents.close()


@pytest.mark.parametrize("kind", ["single", "workers", "SB3", *MODES])
def test_segments_of_every_kind_of_environment(kind):
    check_segments(subject(kind, entropy_coef_final=0.05, learning_rate_final=1e-2))


@pytest.mark.parametrize("core", ["lstm", "gru", "leaky", "attention", "none", "plastic"])
@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_segments_of_every_kind_of_core(core, layout):
    fixed = {"entropy_coef_final": 0.05, "learning_rate_final": 1e-2}
    check_segments(subject("NextStep", core, layout, **fixed))


@pytest.mark.parametrize("core", ["lstm", "gru"])
def test_a_segment_of_one_whole_episode_is_an_episode(core):
    """Of three updates, with episodes that are cut and with episodes that end."""
    for length in (5, 4):
        env_id = f"tests/Fixed{length}-v0"
        gymnasium.registry.pop(env_id, None)
        gymnasium.register(
            env_id, entry_point=Fixed, max_episode_steps=length, kwargs={"length": length}
        )
        found = []
        for segment in (None, length):
            spec = EnvironmentSpec(env_id, ("action", "reward"))
            network = NetworkConfig(core=core, hidden_size=8)
            settings = a2c(segment=segment, passes=3, gae_lambda=0.9, normalise_advantages=True)
            envs = make_envs(spec, range(2), 3)
            agents = A2C(envs, network, settings, range(2), 3, 1000, 0)
            returns = torch.stack([agents.update()["return"] for _ in range(3)])
            found.append((agents.model.parameters, agents.steps, returns))
        for whole, parts in zip(*found, strict=True):
            torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5)


class Fixed(Countdown):
    """A countdown of one length, whatever the seed."""

    def __init__(self, length: int):
        super().__init__(length)
        self.length = length

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=None if seed is None else self.length - 1)


def test_bootstrapped_targets_by_hand():
    """γ = λ = 1/2; rewards 1, 2, 3, 4, values 8, 4, 2, 1: a cut after the second step, of value 6.

    The segment ends in the middle of the next episode, with a state of value 10. From the end:
    4 + 5 - 1 = 8, 3 + .5 - 2 + 8 / 4 = 3.5, 2 + 3 - 4 = 1, 1 + 2 - 8 + 1 / 4 = -4.75.
    """
    column = lambda *x: torch.tensor(x).view(-1, 1, 1)  # noqa: E731
    trajectory = Trajectory(
        [],
        column(0, 0, 0, 0),
        column(1.0, 2.0, 3.0, 4.0),
        ended=column(0.0, 1.0, 0.0, 1.0),
        after=column(0.0, 6.0, 0.0, 10.0),
    )
    returned = trajectory.to_the_end(column(8.0, 4.0, 2.0, 1.0), torch.tensor([0.5]))
    found = estimate(*returned, 0.5)
    assert found.advantages.flatten().tolist() == [-4.75, 1.0, 3.5, 8.0]
    assert found.targets.flatten().tolist() == [3.25, 5.0, 5.5, 9.0]
    returns = estimate(*returned, n=3).targets  # 2 + 3, 1 + 5 / 2; 4 + 5, 3 + 9 / 2
    assert returns.flatten().tolist() == [3.5, 5.0, 7.5, 9.0]


KINDS = {
    "several choices": (gymnasium.spaces.MultiDiscrete([2, 3]), {}, {}),
    "numbers": (gymnasium.spaces.Box(-1, 1, (2,)), {}, {"passes": 3}),
    "images": (
        gymnasium.spaces.Discrete(2),
        {"observation": gymnasium.spaces.Box(0, 255, (12, 12, 3), np.uint8)},
        {"passes": 2},
    ),
    "legal actions": (gymnasium.spaces.Discrete(3), {"masks": True}, {"passes": 2}),
    "normalised": (
        gymnasium.spaces.Discrete(2),
        {"observation": gymnasium.spaces.Box(-9, 9, (2,))},
        {"passes": 2},
    ),
}


class Random(gymnasium.Env):
    """Whatever is shown is random; the reward is 1, and an episode has 1 to 6 steps."""

    def __init__(self, action_space, observation=None, masks=False):
        self.action_space, self.masks = action_space, masks
        self.observation_space = observation or gymnasium.spaces.Box(-1, 1, (3,))

    def _told(self):
        self.legal = self.np_random.random(3) < 0.5
        self.legal[self.np_random.integers(3)] = True
        seen = self.np_random.random(self.observation_space.shape) * 100
        info = {"action_mask": self.legal.copy()} if self.masks else {}
        return seen.astype(self.observation_space.dtype), info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(1, 7))
        return self._told()

    def step(self, action):
        assert not self.masks or self.legal[action]
        assert self.action_space.contains(action)
        self.left -= 1
        seen, info = self._told()
        return seen, 1.0, self.left == 0 and bool(action is not None), False, info


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("kind", ["single", "SB3", *MODES])
def test_segments_of_every_kind_of_actions_and_observations(case, kind):
    """What was read as the agents acted is read again: no pass begins with another policy."""
    actions, kwargs, config = KINDS[case]
    env_id, make = "tests/SegmentsRandom-v0", lambda: Random(actions, **kwargs)
    rows = lambda num_envs: (  # noqa: E731
        DummyVecEnv([make] * num_envs)
        if kind == "SB3"
        else SyncVectorEnv([make] * num_envs, autoreset_mode=MODES[kind])
    )
    gymnasium.registry.pop(env_id, None)
    entry = {"entry_point": make} if kind == "single" else {"vector_entry_point": rows}
    gymnasium.register(env_id, max_episode_steps=9, **entry)
    spec = EnvironmentSpec(env_id, ("action", "reward"))
    normalised = case == "normalised"
    network = NetworkConfig(hidden_size=8, image_units=4, normalise_observations=normalised)
    envs = make_envs(spec, range(2), 3, discrete=False)
    agents = A2C(envs, network, a2c(segment=11, **config), range(2), 3, 1000, 0)
    for _ in range(3):
        metrics = agents.update()
        assert all(bool(value.isfinite().all()) for value in metrics.values())
        assert (metrics["return"] >= 1).all()
        assert (metrics["return"] <= 6).all()
    trajectory = agents.rollout.collect()
    logits, values = (one.clone() for one in agents.model.heads(trajectory.tapes))
    agents.model.refresh(trajectory.tapes)
    again = agents.model.read(trajectory.tapes, agents.model.parameters)
    torch.testing.assert_close(again[0], logits, rtol=0, atol=1e-4)
    torch.testing.assert_close(again[1], values, rtol=0, atol=1e-4)


def test_a_row_that_only_we_cut_cannot_start_alone():
    env_id = "tests/SegmentsEndless-v0"
    gymnasium.registry.pop(env_id, None)
    rows = lambda num_envs: SyncVectorEnv(  # noqa: E731
        [lambda: Countdown(50)] * num_envs, autoreset_mode=AutoresetMode.NEXT_STEP
    )
    gymnasium.register(env_id, vector_entry_point=rows, max_episode_steps=3)
    envs = make_envs(EnvironmentSpec(env_id), [0], 4)
    agents = A2C(envs, NetworkConfig(hidden_size=8), a2c(segment=8), [0], 4, 1000, 0)
    with pytest.raises(ConfigError, match="cut after 3 steps by a time limit that it does not"):
        agents.update()


@pytest.mark.parametrize(
    ("config", "network", "message"),
    [
        ({"replay": "uniform"}, {}, "replay needs whole episodes: leave --segment out"),
        ({"rule": "eprop"}, {}, "the rule eprop needs whole"),
        ({"ewc": {"coef": 1.0}}, {}, "elastic weight consolidation needs whole"),
        ({}, {"heads": (HeadConfig("r", "returns"),)}, "another head than policy and value"),
        ({}, {"actor_reward": "rpe", "layout": "separate"}, 'actor_reward "rpe" needs whole'),
    ],
)
def test_what_needs_whole_episodes_is_refused(config, network, message):
    spec = EnvironmentSpec(countdown("single"), ("action", "reward"))
    envs = make_envs(spec, [0], 2)
    shape = NetworkConfig(hidden_size=8, **network)
    with pytest.raises(ConfigError, match=message):
        A2C(envs, shape, a2c(segment=4, **config), [0], 2, 100, 0)


def test_tasks_of_a_fixed_length_are_refused():
    with pytest.raises(ConfigError, match="episodes have a fixed length needs whole episodes"):
        learner(segment=4)


@pytest.mark.parametrize("kind", ["single", "NextStep"])
def test_a_run_goes_on_from_its_state_with_new_episodes(kind):
    """All but the episodes under way is restored: two that go on from one state are the same."""
    first = subject(kind)
    before = [first.update() for _ in range(3)][-1]
    state = first.state()
    others = [subject(kind) for _ in range(2)]
    for other in others:
        other.set_state(state)
        assert torch.equal(other.model.parameters, first.model.parameters)
        assert torch.equal(other.steps, first.steps)
        assert torch.equal(other.rollout._returned, before["return"])
    metrics = [[other.update() for _ in range(2)] for other in others]
    for one, two in zip(*metrics, strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)
    seen = others[0].rollout.tapes[0].starts
    assert seen.any()
    first.set_state(state)  # in the middle of episodes of its own
    again = [first.update() for _ in range(2)]
    for one, two in zip(again, metrics[0], strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_return_is_that_of_the_last_episodes_that_ended():
    """Episodes of 5 steps in segments of 2: the rewards so far at first, then those of the end."""
    env_id = "tests/SegmentsFixed-v0"
    gymnasium.registry.pop(env_id, None)
    gymnasium.register(env_id, entry_point=Fixed, max_episode_steps=9, kwargs={"length": 5})
    agents = A2C(
        make_envs(EnvironmentSpec(env_id), [0], 3),
        NetworkConfig(hidden_size=8),
        a2c(segment=2),
        [0],
        3,
        1000,
        0,
    )
    paid, returns = [], []
    for _ in range(5):
        returns.append(float(agents.update()["return"]))
        paid.append(agents.rollout.rewards.sum(2)[:, 0].clone() / 3)
    steps = torch.cat(paid).double()
    wanted = [steps[:2].sum(), steps[:4].sum(), steps[:5].sum(), steps[:5].sum(), steps[5:].sum()]
    torch.testing.assert_close(torch.tensor(returns), torch.stack(wanted).float())
