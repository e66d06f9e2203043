"""What heads learn in A2C: targets by hand, exact resume, readers that change nothing, records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from prefrontal.agents import A2C, EnvironmentSpec, NetworkConfig
from prefrontal.agents.a2c.heads import ahead
from prefrontal.agents.a2c.learner import make_learner, slope
from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.config import HeadConfig
from prefrontal.agents.networks.vectorised import FULL
from prefrontal.agents.population import Population
from prefrontal.agents.registry import check
from prefrontal.agents.rollout.environments import make_envs
from tests.agents.helpers import BANDIT, a2c, register_countdown

CONFIDENCE = HeadConfig("sure", "correct", loss="cross_entropy", per_action=True)
READER = HeadConfig("reader", "correct", loss="cross_entropy", into_core=False)
VALUES = HeadConfig("values", size=3, loss="expectile")
NEXT = HeadConfig("next", "observation", discount=0.5)
CODE = HeadConfig("code", "encoding", size=8, discount=0.5, loss="gaussian")
ARMS = HeadConfig("arms", "p", size=2)
BEST = HeadConfig("best", "optimal_action", size=2, loss="cross_entropy")
PAY = HeadConfig("pay", "reward", size=3, loss="quantile", per_action=True)
NOISE = HeadConfig("noise", "noise", size=3)
ALL = (CONFIDENCE, READER, VALUES, CODE, ARMS, BEST, PAY, NOISE)


def job(heads: tuple[HeadConfig, ...], env: str = BANDIT, **flat: Any) -> Job:
    kwargs = {"trials": 6} if env == BANDIT else {}
    network = {k: flat.pop(k) for k in ("core", "layout") if k in flat}
    spec = EnvironmentSpec(env, ("action", "reward"), kwargs)
    shape = NetworkConfig(hidden_size=8, heads=heads, **network)
    return Job(spec, shape, a2c(**flat), members=2, num_envs=4, total_steps=2000, seed=0)


def made(heads: tuple[HeadConfig, ...], env: str = BANDIT, **flat: Any) -> A2C:
    one = job(heads, env, **flat)
    check(one)
    return make_learner(one, range(2))


@pytest.mark.parametrize(
    "flat",
    [
        {},
        {"core": "gru"},
        {"layout": "separate", "critic": "heads"},
        {"critic": "privileged", "passes": 2, "normalise_advantages": True},
        {"replay": "reservoir", "gae_lambda": 0.9, "discount": 0.7},
        {"replay": "prioritised", "replay_steps": "separate"},
        {"rule": "eprop", "feedback": "adaptive", "alignment": True},
    ],
    ids=str,
)
def test_training_with_every_kind_of_head_goes_on_exactly(flat):
    one = made(ALL, **flat)
    first = one.update()
    assert {f"head_{head.name}" for head in ALL} <= set(first)
    kept = one.state()
    other = made(ALL, **flat)
    other.set_state(kept)
    for _ in range(2):
        mine, theirs = one.update(), other.update()
        for name, value in mine.items():
            torch.testing.assert_close(theirs[name], value, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(one.model.parameters, other.model.parameters)
    assert all(bool(torch.isfinite(value).all()) for value in mine.values())


@pytest.mark.parametrize(
    "flat",
    [
        {},
        {"core": "gru"},
        {"replay": "reservoir"},
        {"rule": "eprop", "feedback": "redrawn"},
        {"rule": "bptt", "feedback": "adaptive"},
        {"rule": "node-perturbation"},
    ],
    ids=str,
)
def test_a_head_that_only_reads_changes_nothing_else(flat):
    plain, read = made((), **flat), made((READER, PAY_READER), **flat)
    for _ in range(5):
        plain.update()
        read.update()
    own = plain.model.parameters
    torch.testing.assert_close(read.model.parameters[:, : own.shape[1]], own, rtol=1e-5, atol=1e-6)
    assert bool((read.model.parameters[:, own.shape[1] :] != 0).any())


PAY_READER = HeadConfig("pay", "reward", weight=100.0, into_core=False)


def test_a_head_that_learns_changes_the_core():
    plain, read = made(()), made((CONFIDENCE,))
    plain.update()
    read.update()
    own = plain.model.parameters
    assert not torch.allclose(read.model.parameters[:, : own.shape[1]], own)


def learned_of(subject: A2C) -> Any:
    trajectory = subject.rollout.collect()
    rate = torch.full((2,), 1e-2)
    return subject._judge(trajectory, torch.full((2,), 0.5), rate)[0]


def test_targets_by_hand():
    subject = made((VALUES, HeadConfig("now", discount=0.0), CONFIDENCE, ARMS, BEST, PAY))
    learned = learned_of(subject)
    rewards, told = learned.trajectory.rewards, learned.heads
    total, returns = torch.zeros_like(rewards[0]), []
    for reward in reversed(rewards):
        total = reward + 0.5 * total
        returns.insert(0, total)
    torch.testing.assert_close(told["values"].value[:, :, 0], torch.stack(returns))
    torch.testing.assert_close(told["now"].value[:, :, 0], rewards)
    torch.testing.assert_close(told["pay"].value[:, :, 0], rewards)
    p = learned.trajectory.task["p"]  # [P, B, 2]
    best = p.argmax(-1)
    right = (learned.trajectory.actions == best).float()
    torch.testing.assert_close(told["sure"].value[:, :, 0], right)
    torch.testing.assert_close(told["arms"].value[3], p.transpose(1, 2).float())
    assert torch.equal(told["best"].value.argmax(2), best.expand_as(right))


def test_noise_is_a_standard_normal_of_each_member_drawn_anew():
    subject = made((HeadConfig("noise", "noise", size=40),))
    first, second = (learned_of(subject).heads["noise"].value for _ in range(2))
    assert first.shape == (6, 2, 40, 4)
    assert float(first.mean()) == pytest.approx(0, abs=0.1)
    assert float(first.std()) == pytest.approx(1, abs=0.1)
    assert not torch.isclose(first, second).any()
    assert not torch.isclose(first[:, 0], first[:, 1]).any()


def test_what_comes_is_averaged_to_the_end():
    x = torch.tensor([1.0, 2.0, 4.0, 8.0]).view(4, 1, 1, 1)
    found = ahead(x, torch.tensor([0.5]), None)
    expected = [(2 + 4 / 2 + 8 / 4) / 1.75, (4 + 8 / 2) / 1.5, 8.0, 0.0]
    torch.testing.assert_close(found.value.flatten(), torch.tensor(expected))
    assert found.counts.flatten().tolist() == [1, 1, 1, 0]
    cut = ahead(x, torch.tensor([0.5]), torch.tensor([1.0, 1, 1, 0]).view(4, 1, 1))
    torch.testing.assert_close(cut.value.flatten()[:2], torch.tensor([(2 + 4 / 2) / 1.5, 4.0]))
    assert cut.counts.flatten().tolist() == [1, 1, 0, 0]


def test_episodes_of_others_that_end_when_they_end():
    heads = (HeadConfig("next", "observation", size=2, discount=0.0), VALUES)
    subject = made(heads, register_countdown(), replay="uniform")
    for _ in range(3):
        metrics = subject.update()
    assert all(bool(torch.isfinite(value).all()) for value in metrics.values())
    learned = learned_of(subject)
    seen = torch.stack(
        [x[:, :2] for x in learned.trajectory.tapes[0].x_t[: len(learned.advantages)]]
    )
    counts = learned.heads["next"].counts.bool()[:-1]
    told = learned.heads["next"].value[:-1].transpose(2, 3)[counts]
    torch.testing.assert_close(told, seen[1:].transpose(2, 3)[counts])


def test_episodes_replayed_at_once_teach_heads_the_same():
    one = replace(job(ALL[:-1], replay="uniform", discount=0.7, gae_lambda=0.8), num_envs=1)
    subject = make_learner(one, range(2))
    gamma = torch.full((2,), 0.7)
    trajectory = subject.rollout.collect()
    logits, values = subject.model.heads(trajectory.tapes)
    subject.replay.add(trajectory, logits.clone(), values.clone(), 0)
    learned, _ = subject._judge(trajectory, gamma, gamma)
    gradients = []
    for replayed in (False, True):
        parameters = subject.model.parameters.requires_grad_()
        entropy = torch.zeros(2)
        if replayed:
            given = gamma, entropy, (FULL, FULL), subject._observed, ()
            loss, _ = subject.replay.loss(subject.config, 1, parameters, 0, *given)
            gradient = torch.autograd.grad(loss.sum(), parameters)[0]
        else:
            gradient, _ = slope(subject.model, subject.config, learned, entropy, parameters)
        gradients.append(gradient)
    assert bool((gradients[0][:, subject.model.readers()] != 0).any())
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-6)


def test_the_mean_of_a_head_can_be_the_baseline():
    heads = (HeadConfig("values"),)
    subject = made(heads, critic="heads", gae_lambda=0.5)
    learned = learned_of(subject)
    _, _, said = subject.model.read(learned.trajectory.tapes)
    v, r = said["values"][:, :, 0], learned.trajectory.rewards
    advantage, expected = torch.zeros_like(r[0]), []
    for t in reversed(range(len(r))):
        following = v[t + 1] if t + 1 < len(r) else 0.0
        advantage = r[t] + 0.5 * following - v[t] + 0.25 * advantage
        expected.insert(0, advantage)
    torch.testing.assert_close(learned.advantages, torch.stack(expected))


def test_records_hold_what_heads_say(tmp_path):
    one = job((*ALL, HeadConfig("now", discount=0.0)))
    population = Population.of(one, make_learner(one, range(2)).model.parameters)
    envs = make_envs(one.environment, range(2), 3, facts=True)
    envs.reset(seed=3)
    (record,) = population.record(envs, 1, seed=0, discount=0.5)
    sizes = {"sure": 1, "values": 3, "code": 16, "arms": 2, "best": 2, "pay": 3, "noise": 3}
    for name, size in sizes.items():
        assert record[f"head.{name}"].shape == (2, 3, 6, size)
    assert (np.abs(record["head.best"].sum(-1) - 1) < 1e-6).all()
    values, reward = record["head.values"], record["reward"]
    after = np.concatenate([values[:, :, 1:].mean(-1), np.zeros((2, 3, 1))], -1)
    expected = (reward + 0.5 * after)[..., None] - values
    np.testing.assert_allclose(record["rpe.values"], expected, atol=1e-6)
    np.testing.assert_allclose(record["rpe.now"], reward[..., None] - record["head.now"], atol=1e-6)
    population.save(tmp_path)
    from prefrontal.agents import load

    again = load(tmp_path)
    assert again.network == population.network
    envs.reset(seed=3)
    (same,) = again.record(envs, 1, seed=0, discount=0.5)
    assert (same["head.sure"] == record["head.sure"]).all()


@pytest.mark.parametrize(
    ("heads", "flat", "said"),
    [
        ((HeadConfig("a", "optimal_acton"),), {}, "did you mean 'optimal_action'"),
        ((HeadConfig("a", "p", size=3),), {}, "has 2 numbers: size must be 2, not 3"),
        ((HeadConfig("a", "p", size=2, loss="expectile"),), {}, "expectile heads learn one"),
        ((HeadConfig("a", "trial", loss="cross_entropy"),), {}, "target of 0 to 1, and trial"),
        ((HeadConfig("a", "trial", 2, "cross_entropy"),), {}, "class of 0 to 5: size must be"),
        ((HeadConfig("a", "p", 2, "cross_entropy"),), {}, "of sum 1"),
        ((HeadConfig("a", "expected_reward", 2, "cross_entropy"),), {}, "a number, not a class"),
        ((HeadConfig("a", "encoding", size=3),), {}, "size must be 8"),
        ((HeadConfig("a", "observation", size=3),), {}, "size must be"),
        ((), {"critic": "heads"}, "--head"),
        ((HeadConfig("a", discount=0.3),), {"critic": "heads"}, "--head"),
        ((VALUES,), {"rule": "evolution-strategies", "directions": 2}, "no head"),
    ],
)
def test_heads_that_cannot_learn_are_refused(heads, flat, said):
    with pytest.raises(ConfigError, match=said) as caught:
        check(job(heads, **flat))
    assert "\n" not in str(caught.value)


def test_other_environments_tell_no_facts():
    with pytest.raises(ConfigError, match="does not say which choices"):
        check(job((CONFIDENCE,), register_countdown()))


@pytest.mark.parametrize("algorithm", ["q", "course-replay", "decision-pretrained", "evolution"])
def test_other_learners_refuse_heads(algorithm):
    from prefrontal.agents.registry import ALGORITHMS, _get

    config = _get(*ALGORITHMS[algorithm].config.split(":"))()
    with pytest.raises(ConfigError, match="trains no heads"):
        check(replace(job((VALUES,)), algorithm=config))
