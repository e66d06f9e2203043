"""Learning to adapt by gradient: what is played, what is learned, and what cannot be."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.agents import EnvironmentSpec, registry
from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.gradient_policies.config import LogitsConfig, MetaGradientConfig
from prefrontal.agents.gradient_policies.policy import Parameters, play
from prefrontal.agents.rollout.environments import make_envs

SPEC = EnvironmentSpec(
    "prefrontal/BernoulliBandit-v0", ("action", "reward"), {"arms": 3, "trials": 6}
)


def job(update_after=(2, 4), members=2, batch=8, spec=SPEC, steps=3000, start=5.0, **config):
    network = LogitsConfig(update_after, inner_step=start)
    return Job(spec, network, MetaGradientConfig(**config), members, batch, steps, seed=4)


def learner(*args, **kwargs):
    one = job(*args, **kwargs)
    registry.check(one)
    return registry.make_learner(one, range(one.members))


def test_what_is_played():
    """Actions by the policy of their part; all pulls of all parts are there."""
    subject = learner()
    weights = subject.weights + torch.tensor([1.0, 0.0, -1.0, *[0.0] * 8])
    parameters = Parameters.of(weights, 3, 2)
    envs = make_envs(SPEC, [0, 1], 4000)
    envs.reset(seed=0)
    uniform = torch.rand(6, 2, 4000, generator=torch.Generator().manual_seed(0))
    played = play(envs, parameters, (2, 4), uniform)
    assert played.ends == [2, 4, 6]
    pulls = played.by_action(torch.ones_like(played.rewards))
    assert [len(pulls), float(sum(pulls).sum())] == [3, 6 * 8000.0]
    for policy, part in zip([one.softmax(-1) for one in played.logits], pulls, strict=True):
        torch.testing.assert_close(part.mean((0, 1)) / 2, policy.mean((0, 1)), atol=0.02, rtol=0)
    taken, earned = pulls[0][0, 7].double(), played.by_action(played.rewards)[0][0, 7].double()
    before = torch.tensor([1.0, 0.0, -1.0]).double().softmax(0)
    above = earned - 0.5 * taken
    after = torch.tensor([1.0, 0.0, -1.0]) + 5 * (above - before * above.sum()) / 2
    torch.testing.assert_close(played.logits[1][0, 7].double(), after)
    greedy = play(envs, parameters, (2, 4, 9), None)
    assert not greedy.actions[:2].any()
    assert greedy.ends == [2, 4, 6]  # an update that does not come any more


def test_reptile_by_hand():
    subject, twin = learner(outer="reptile", start=2.0), learner(outer="reptile", start=2.0)
    subject.update()
    uniform = torch.stack([torch.rand(6, 8, generator=g) for g in twin.generators], 1)
    played = play(twin.envs, Parameters.of(twin.weights, 3, 2), (2, 4), uniform)
    ends = np.zeros((2, 8, 3))
    for member, episode in np.ndindex(2, 8):
        theta = ends[member, episode]
        for part in (slice(0, 2), slice(2, 4)):
            policy = np.exp(theta) / np.exp(theta).sum()
            for action, reward in zip(
                played.actions[part, member, episode],
                played.rewards[part, member, episode],
                strict=True,
            ):
                theta += 2.0 * (float(reward) - 0.5) * (np.eye(3)[action] - policy) / 2
    np.testing.assert_allclose(subject.weights[:, :3], 0.05 * ends.mean(1), atol=1e-6)
    assert torch.equal(subject.weights[:, 3:], twin.weights[:, 3:])


def test_what_is_learned():
    """More than at the start; with `learned="logits"` step sizes and baselines stay."""
    subject = learner((1,), members=2, batch=256, steps=120_000, learning_rate=0.1, start=1.0)
    metrics = [subject.update() for _ in range(80)]
    returns = torch.stack([one["return"] for one in metrics])
    assert bool((returns[-10:].mean(0) > returns[:10].mean(0) + 0.1).all())
    assert bool((metrics[-1]["inner_step"] > 2).all())
    fixed = learner(learned="logits")
    begun = fixed.weights.clone()
    fixed.update()
    assert torch.equal(fixed.weights[:, 3:], begun[:, 3:])
    assert not torch.equal(fixed.weights[:, :3], begun[:, :3])


@pytest.mark.parametrize("outer", ["exact", "first-order", "reptile"])
def test_it_resumes_exactly_and_members_learn_as_alone(outer):
    subject = learner(outer=outer)
    for _ in range(3):
        subject.update()
    state = {name: value.clone() for name, value in subject.state().items()}
    resumed = learner(outer=outer)
    resumed.update()
    resumed.set_state(state)
    told, again = subject.update(), resumed.update()
    for name, value in told.items():
        assert torch.equal(value, again[name]), name
    for name, value in subject.state().items():
        assert torch.equal(value, resumed.state()[name]), name
    alone = registry.make_learner(job(outer=outer), [1])
    for _ in range(4):
        alone.update()
    torch.testing.assert_close(alone.weights[0], subject.weights[1])


def test_what_cannot_be_learned_is_refused():
    shown = EnvironmentSpec("prefrontal/ContextBandit-v0", ("action", "reward"))
    for wrong, said in (
        (job(spec=shown), "observations never change"),
        (
            job(spec=replace(SPEC, inputs=("action",))),
            "give --inputs reward .and others., not action",
        ),
        (job(batch=1), "--num-envs of at least 2"),
        (job((2, 7)), "within the 6 steps"),
        (job((6,)), "before the last of the 6 steps"),
        (
            job(spec=EnvironmentSpec("prefrontal/FireflyNavigation-v0", ("reward",))),
            "discrete actions",
        ),
    ):
        with pytest.raises(ConfigError, match=said) as error:
            registry.check(wrong)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="must increase"):
        LogitsConfig((3, 3))


def test_the_default_is_one_update_after_a_fifth():
    assert LogitsConfig().times(100) == (20,)
    assert LogitsConfig().times(3) == (1,)
    assert LogitsConfig((4, 5)).times(100) == (4, 5)
