"""Segments of episodes against a plain re-implementation, step by step in double precision."""

from dataclasses import replace

import gymnasium
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv
from torch.func import functional_call

from prefrontal.agents import A2C, EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.vectorised import Net, Vectorised
from prefrontal.agents.rollout.environments import make_envs
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
    network = NetworkConfig(core=core, layout=layout, hidden_size=8)
    config = {"gae_lambda": 0.8, "discount": 0.9, "segment": 7, **config}
    envs = make_envs(spec, range(MEMBERS), BATCH)
    return A2C(envs, network, a2c(**config), range(MEMBERS), BATCH, 10_000, 3)


class Reference:
    """One row of one member, from the definitions: its networks, its state and what it is shown."""

    def __init__(self, learner: A2C, member: int, row: int):
        self.member, self.row, self.learner = member, row, learner
        self.nets = [Net(n.input_size, n.output_size, n.config).double() for n in learner.model.nets]
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
    metrics = agents.update()
    agents.rollout.collect, agents.optimiser.step = collect, step
    trajectory, x = found
    leaf = steps_made[0][0].requires_grad_()
    losses, returned = [[] for _ in range(MEMBERS)], [[] for _ in range(MEMBERS)]
    for ref in rows:
        key, terms = (ref.member, ref.row), []
        for state in [] if ref.states is None else ref.states:
            for part in state:
                part.detach_()
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
            one_hot = torch.zeros(3).double()
            if before is not None:
                one_hot[before] = 1
            wanted = torch.cat([torch.tensor([length - n, length]), one_hot, torch.tensor([paid])])
            torch.testing.assert_close(shown, wanted.double())
            logits, value, ref.states = ref.say(leaf, shown)
            reward = float(action) + 1
            assert trajectory.rewards[t][key] == reward
            now[key] = [n + 1, int(action), reward, length, total + reward]
            following, ends = None, n + 1 == length
            if (ends and length % 2) or (not ends and t + 1 == config.segment):
                one_hot = torch.eye(3)[action]
                last = torch.tensor([length - n - 1, length])
                seen = torch.cat([last, one_hot, torch.tensor([reward])]).double()
                following = float(ref.say(leaf.detach(), seen)[1])
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
        after = float(terms[k + 1][1]) if goes_on else following
        delta = reward + config.discount * after - float(value)
        decay = config.discount * config.gae_lambda if goes_on else 0.0
        advantage = delta + decay * (advantage if goes_on else 0.0)
        p = logits.log_softmax(0)
        error = (value - (advantage + float(value))).square()
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
