"""Lives of learning: compiled and in PyTorch the same, whoever lives beside one."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
import torch

import prefrontal.agents.evolution.lifetimes
from prefrontal import envs  # noqa: F401 (registers the ids)
from prefrontal.agents.common.errors import ConfigError, TrainingError
from prefrontal.agents.evolution.config import LifetimeConfig
from prefrontal.agents.evolution.lifetime_episodes import Numbers, draw_episodes, tabulate
from prefrontal.agents.evolution.lifetime_net import LifetimeNet
from prefrontal.agents.evolution.lifetimes import Lifetimes
from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.envs.bandits import TwoArmedBandit

COURSE = EnvironmentSpec(
    "prefrontal/HarlowPairs-v0",
    ("reward", "action"),
    split="all",
    stages=({"trials": 6}, {"trials": 20}),
)
HYPER = torch.tensor([7.5e-4, 0.91, 0.4, 1e-3])


def units(size: int) -> NetworkConfig:
    return NetworkConfig(hidden_size=size)


def genomes(lifetimes: Lifetimes, count: int, seed: int = 0) -> torch.Tensor:
    return lifetimes.net.initial(count, torch.Generator().manual_seed(seed))


@pytest.fixture
def in_torch(monkeypatch):
    def switch() -> None:
        monkeypatch.setattr(prefrontal.agents.evolution.lifetimes, "available", lambda *_: False)

    return switch


CASES = [
    (COURSE, LifetimeConfig(updates=4), 20),
    (replace(COURSE, inputs=("action", "centred_reward", "time")), LifetimeConfig(3, 2, 0), 7),
    (
        EnvironmentSpec("prefrontal/BernoulliBandit-v0", kwargs={"arms": 3, "trials": 9}),
        LifetimeConfig(5, 3, 4, decay=0.9, epsilon=1e-3),
        11,
    ),
    (
        EnvironmentSpec("prefrontal/HarlowPairs-v0", ("reward",), {"objects": "vectors"}),
        LifetimeConfig(2, 1, 0),
        20,
    ),
    (
        replace(COURSE, stages=({"trials": 3, "delay": 2, "shortest_delay": 0}, {"delay": 1})),
        LifetimeConfig(2, 2, 0),
        5,
    ),
]


@pytest.mark.skipif(not available(), reason="no compiler")
@pytest.mark.parametrize(("spec", "config", "hidden"), CASES)
def test_compiled_lives_are_those_of_pytorch(spec, config, hidden, in_torch):
    lifetimes = Lifetimes(spec, config, units(hidden))
    weights = genomes(lifetimes, 6)
    hyper = HYPER * (1 + torch.arange(6)[:, None] / 6) * torch.tensor([10.0, 0.5, 1.0, 50.0])
    compiled = lifetimes.live(weights, hyper, range(6), keep_weights=True)
    in_torch()
    reference = lifetimes.live(weights, hyper, range(6), keep_weights=True)
    torch.testing.assert_close(compiled.weights, reference.weights, rtol=1e-3, atol=5e-5)
    assert torch.equal(compiled.correct, reference.correct)
    torch.testing.assert_close(compiled.score, reference.score)
    assert compiled.correct.shape == (6, lifetimes.steps)
    assert (compiled.weights - weights).abs().max() > 1e-3


@pytest.mark.skipif(not available(), reason="no compiler")
@pytest.mark.parametrize("factor", [3, 10, 30, 100])
def test_compiled_lives_with_large_weights_are_those_of_pytorch(factor, in_torch):
    """Evolved weights saturate their units: exp of what reaches them is infinite."""
    lifetimes = Lifetimes(COURSE, LifetimeConfig(updates=4), units(20))
    weights = factor * genomes(lifetimes, 6)
    hyper = HYPER.repeat(6, 1)
    hyper[:, 0] = 0.0  # they play, and do not learn: rounding would grow
    fast = lifetimes.live(weights, hyper, list(range(6)))
    in_torch()
    plain = lifetimes.live(weights, hyper, list(range(6)))
    assert torch.equal(fast.correct, plain.correct)
    assert fast.correct.double().std() > 0


def test_starts_of_trials_are_shown_and_blank_steps_are_never_right(monkeypatch):
    spec = replace(COURSE, inputs=("trial_start", "reward"), stages=({"trials": 3, "delay": 2},))
    lifetimes = Lifetimes(spec, LifetimeConfig(updates=1), units(5))
    (row,) = [lifetimes.rows["trial_start"]]
    shown, step = [], lifetimes.net.plain.step
    monkeypatch.setattr(
        lifetimes.net.plain,
        "step",
        lambda w, x, s: shown.append(x[..., row].clone()) or step(w, x, s),
    )
    lives = lifetimes.live(genomes(lifetimes, 4), HYPER.repeat(4, 1), range(4))
    assert torch.stack(shown)[:, :, 0].T.tolist() == [[1, 0, 0, 1, 0, 0, 1] * 2] * 4
    assert not lives.correct[:, torch.tensor([1, 2, 4, 5, 8, 9, 11, 12])].any()
    assert lives.correct.any()


def test_one_update_by_hand(in_torch):
    """The learned weights are those of PyTorch's RMSProp on the A2C loss of the episode."""
    in_torch()
    lifetimes = Lifetimes(COURSE, LifetimeConfig(updates=1), units(5))
    weights = genomes(lifetimes, 1)
    life = lifetimes.live(weights, HYPER[None], [3], keep_weights=True)
    net, leaf = lifetimes.net, weights.clone().requires_grad_()
    numbers = Numbers([3])
    test = draw_episodes(lifetimes.test, numbers, 1, "all", None)
    rows = draw_episodes(lifetimes.task, numbers, 1, "all", {"objects": test.params["objects"]})
    good, bad = test.params["objects"][0].tolist()
    side, uniform = rows.params["side"][0], rows.uniform[0, 0]
    views = net.plain.views(leaf)
    memory, log_probs, values, rewards, entropies = (
        net.plain.initial_state(views, 1),
        [],
        [],
        [],
        [],
    )
    reward, chosen = 0.0, torch.zeros(2)
    for t in range(6):
        shown = [bad, good] if side[t] else [good, bad]
        x = torch.cat([torch.tensor([*shown, reward], dtype=torch.float32), chosen])
        outputs, _, memory = net.plain.step(views, x.view(1, 1, -1), memory)
        logits, value = outputs.view(3).split([2, 1])
        p = logits.log_softmax(0)
        action = int(uniform[t] >= p[0].exp())
        chosen = torch.eye(2)[action]
        reward = 1.0 if action == side[t] else -1.0
        log_probs.append(p[action])
        values.append(value.view(()))
        rewards.append(reward)
        entropies.append(-(p.exp() * p).sum())
    returns = [sum(0.91**k * r for k, r in enumerate(rewards[t:])) for t in range(6)]
    advantages = torch.tensor(returns) - torch.stack(values)
    loss = (
        -(torch.stack(log_probs) * advantages.detach()).mean()
        + 0.4 * advantages.square().mean()
        - 1e-3 * torch.stack(entropies).mean()
    )
    optimiser = torch.optim.RMSprop([leaf], lr=7.5e-4, alpha=0.99, eps=1e-5)
    loss.backward()
    optimiser.step()
    torch.testing.assert_close(life.weights, leaf.detach())
    assert life.correct[0, :6].tolist() == [r > 0 for r in rewards]
    assert life.score.item() == 2 * life.correct[0, 6:].sum() - 20


def test_a_life_does_not_depend_on_its_companions(monkeypatch):
    lifetimes = Lifetimes(COURSE, LifetimeConfig())
    weights = genomes(lifetimes, 5)
    hyper = HYPER.repeat(5, 1)
    together = lifetimes.live(weights, hyper, [7, 8, 9, 10, 11], keep_weights=True)
    alone = lifetimes.live(weights[2:3], hyper[2:3], [9], keep_weights=True)
    monkeypatch.setattr(prefrontal.agents.evolution.lifetimes, "_CHUNK", 2)
    chunked = lifetimes.live(weights, hyper, [7, 8, 9, 10, 11], keep_weights=True)
    assert torch.equal(together.weights[2:3], alone.weights)
    assert torch.equal(together.weights, chunked.weights)
    assert torch.equal(together.correct, chunked.correct)


def test_who_does_not_learn_meets_the_same_test():
    """A learning rate of 0 is the same test as no learning, and leaves the weights alone."""
    lifetimes = Lifetimes(COURSE, LifetimeConfig())
    weights, hyper = genomes(lifetimes, 4), HYPER.repeat(4, 1)
    hyper[:, 0] = 0
    frozen = lifetimes.live(weights, hyper, range(4), keep_weights=True)
    born = lifetimes.live(weights, hyper, range(4), learning=False)
    assert torch.equal(frozen.weights, weights)
    assert torch.equal(frozen.score, born.score)
    assert torch.equal(frozen.correct[:, -20:], born.correct)


def test_random_agents_of_the_course_score_49():
    """Published: 49.72 of 200 over 50 agents; a mean over 100 has a standard error of 2."""
    lifetimes = Lifetimes(COURSE, LifetimeConfig())
    assert (lifetimes.net.size, lifetimes.steps) == (3543, 170)
    weights = genomes(lifetimes, 100).repeat_interleave(10, 0)
    score = lifetimes.live(weights, HYPER.repeat(1000, 1), range(1000)).score
    assert 44 < score.view(100, 10).sum(1).mean() < 54


def test_tasks_that_actions_change_are_lived_too():
    spec = EnvironmentSpec("prefrontal/TwoStep-v0", kwargs={"trials": 4}, split="all")
    lifetimes = Lifetimes(spec, LifetimeConfig(updates=3, episodes=2), units(6))
    assert not lifetimes.tabulated
    weights = genomes(lifetimes, 3)
    lives = lifetimes.live(weights, HYPER.repeat(3, 1), range(3), keep_weights=True)
    alone = lifetimes.live(weights[:1], HYPER[None], [0], keep_weights=True)
    assert lives.correct.shape == (3, lifetimes.steps)
    torch.testing.assert_close(lives.weights[:1], alone.weights)
    assert not torch.equal(lives.weights, weights)


@pytest.mark.parametrize("core", ["lstm", "gru", "relu"])
@pytest.mark.parametrize("embedding", [0, 9])
def test_champions_are_exported_exactly(embedding, core):
    """What the evolved network says, an ordinary actor-critic says."""
    network = NetworkConfig(core=core, hidden_size=6)
    lifetimes = Lifetimes(COURSE, LifetimeConfig(embedding_size=embedding), network)
    net, weights = lifetimes.net, genomes(lifetimes, 2)
    kept = 0 if core == "lstm" else embedding
    model = ActorCritic(net.inputs, 2, replace(network, embedding_size=kept), 2)
    model.set_parameters(net.exported(weights))
    views = net.plain.views(weights)
    tapes, memory = model.tapes(3, 1), net.plain.initial_state(views, 1)
    model.begin(tapes)
    x = torch.randn(3, 2, 1, net.inputs, generator=torch.Generator().manual_seed(1))
    for t in range(3):
        tapes[0].x_t[t].copy_(x[t].transpose(1, 2))
        outputs, _, memory = net.plain.step(views, x[t], memory)
        torch.testing.assert_close(model.step(tapes, t).squeeze(2), outputs[:, 0, :2])
        torch.testing.assert_close(model.heads(tapes)[1][t], outputs[..., 2])
    if not embedding:
        torch.testing.assert_close(net.exported(net.imported(model.parameters)), model.parameters)


def test_modules_are_slices_of_the_genome_for_any_core():
    for core in ("lstm", "gru", "none"):
        for embedding in (0, 4):
            net = LifetimeNet(5, 2, NetworkConfig(core=core, hidden_size=6), embedding)
            covered = torch.zeros(net.size)
            for module in net.modules.values():
                covered[module] += 1
            assert bool((covered == 1).all())
            assert ("embedding" in net.modules) == bool(embedding)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (replace(COURSE, inputs=("reward_one_hot",)), "lifetimes take the inputs action, .*not"),
        (EnvironmentSpec("CartPole-v1", ()), "need a task that is made of uniform numbers"),
    ],
)
def test_what_cannot_be_lived_is_refused(spec, message):
    with pytest.raises(ConfigError, match=message):
        Lifetimes(spec, LifetimeConfig())


@dataclasses.dataclass(frozen=True)
class Silent(TwoArmedBandit):
    """Tells nothing, what a life has no table for, or rewards of a wrong shape."""

    how: str = "nothing"

    def outcomes(self, params, noise):
        told = super().outcomes(params, noise)
        if self.how == "rewards":
            return told._replace(rewards=told.rewards[:, :1])
        seen = told.observations[:, None].expand(-1, 2, -1, -1)
        return None if self.how == "nothing" else told._replace(observations=seen)


def tables(task):
    return tabulate(task, draw_episodes(task, Numbers([1, 2, 3]), 4, "all", None), 3)


@pytest.mark.parametrize("how", ["nothing", "by action"])
def test_open_loops_that_tell_too_little_are_stepped_through(how):
    right = tables(TwoArmedBandit(trials=5))
    found = tables(Silent(trials=5, how=how))
    assert all(map(torch.equal, right, found))


def test_what_is_told_in_a_wrong_shape_is_refused():
    with pytest.raises(TrainingError, match=r"^Silent.outcomes: rewards must have shape"):
        tables(Silent(trials=5, how="rewards"))
