"""Replay for actor-critics: on policy it is the on-policy update.

Off policy it is what plain PyTorch says.
"""

import pytest
import torch

from prefrontal.agents import A2C, EnvironmentSpec, NetworkConfig
from prefrontal.agents.a2c.learner import slope
from prefrontal.agents.a2c.passes import Learned
from prefrontal.agents.common.errors import PrefrontalError
from prefrontal.agents.common.returns import estimate, normalise, step_weights
from prefrontal.agents.networks.vectorised import FULL
from prefrontal.agents.rollout.environments import make_envs
from tests.agents.a2c.test_learner import curve, same
from tests.agents.helpers import a2c, learner, reference_heads, register_countdown

NETWORKS = {"lstm": NetworkConfig(hidden_size=8), "none": NetworkConfig(core="none", hidden_size=8)}


def replayed(subject: A2C, number: int, *args):
    """The episodes drawn, their loss and its metrics."""
    drawn = []
    draw = subject.replay.draw
    subject.replay.draw = lambda n: drawn.append(draw(n)) or drawn[0]
    parameters, *rest = args
    stage = subject.stages.index
    loss, parts = subject.replay.loss(
        subject.config, number, parameters, stage, *rest, (FULL, FULL), slice(0, 1), ()
    )
    subject.replay.draw = draw
    return drawn[0], loss, parts


def gradients(subject: A2C, discount: float, change: float = 0.0):
    """Gradients of the on-policy loss and of the replay loss of the same episodes.

    After a change of the weights.
    """
    config, model, replay = subject.config, subject.model, subject.replay
    d = torch.full((len(subject.members),), discount)
    entropy = torch.full((len(subject.members),), 0.1)
    with torch.no_grad():
        trajectory = subject.rollout.collect()
        logits, values = model.heads(trajectory.tapes)
        replay.add(trajectory, logits.clone(), values.clone(), 0)
        weight = step_weights(trajectory.mask, values)
        returned = trajectory.to_the_end(values, d)
        found = estimate(*returned, config.gae_lambda, config.n_step)
        advantages = found.advantages
        if config.normalise_advantages:
            advantages = normalise(advantages, weight)
    parameters = model.parameters.requires_grad_()
    learned = Learned(trajectory, advantages, found.targets, None, weight, {})
    fresh, _ = slope(model, config, learned, entropy, parameters)
    g = torch.Generator().manual_seed(1)
    flat = model.parameters
    model.set_parameters(flat + change * torch.randn(flat.shape, generator=g))
    parameters = model.parameters.requires_grad_()
    drawn, loss, parts = replayed(subject, subject.batch, parameters, d, entropy)
    (again,) = torch.autograd.grad(loss.sum(), parameters)
    return fresh, again, parts, drawn


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("correction", ["vtrace", "clipped", "none"])
@pytest.mark.parametrize(
    "case", [{}, {"n_step": 2}, {"gae_lambda": 0.7}, {"normalise_advantages": True}]
)
def test_replay_on_policy_is_the_on_policy_update(network, correction, case):
    subject = learner(
        range(2),
        batch=1,
        trials=12,
        network=NETWORKS[network],
        replay="uniform",
        replay_capacity=1,
        correction=correction,
        **case,
    )
    fresh, again, parts, _ = gradients(subject, 0.8)
    torch.testing.assert_close(again, fresh, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(parts["replay_ratio_mean"], torch.ones(2))


@pytest.mark.parametrize("seed", range(4))  # episodes that end, and others that are cut
def test_replay_on_policy_with_episodes_of_unequal_length(seed):
    envs = make_envs(EnvironmentSpec(register_countdown(), ("action",)), range(3), 1)
    config = a2c(replay="uniform", replay_capacity=1)
    subject = A2C(envs, NETWORKS["lstm"], config, range(3), 1, 1000, seed)
    fresh, again, _, _ = gradients(subject, 0.8)
    torch.testing.assert_close(again, fresh, rtol=1e-4, atol=1e-6)


def plain(subject: A2C, drawn, correction: str) -> torch.Tensor:
    """Gradient of the replay loss for discount 0, from the definitions in plain PyTorch."""
    net, flat = subject.model.nets[0], subject.model.parameters.double().requires_grad_()
    trajectory = drawn.trajectory
    x = torch.stack(trajectory.tapes[0].x_t[: trajectory.steps]).double()
    losses = []
    for m in range(len(subject.members)):
        heads, _ = reference_heads(net, flat, x, m)
        log_p, v = heads[:, :-1].log_softmax(1), heads[:, -1]
        action = trajectory.actions[:, m]
        chosen = log_p.gather(1, action.unsqueeze(1)).squeeze(1)
        mu = drawn.policy[:, m].double().gather(1, action.unsqueeze(1)).squeeze(1)
        rho = (chosen - mu).exp().detach().clamp(max=1.0)
        if correction == "none":
            rho = torch.ones_like(rho)
        r = trajectory.rewards[:, m].double()
        policy = -(rho * (r - v.detach()) * chosen).mean()
        target = r if correction == "none" else (v + rho * (r - v)).detach()
        entropy = -(log_p.exp() * log_p).sum(1).mean()
        losses.append(policy + 0.25 * (target - v).square().mean() - 0.1 * entropy)
    (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), flat)
    return gradient


@pytest.mark.parametrize("correction", ["vtrace", "clipped", "none"])
def test_gradients_off_policy(correction):
    subject = learner(
        range(2), batch=3, trials=10, replay="reservoir", replay_capacity=5, correction=correction
    )
    fresh, again, parts, drawn = gradients(subject, 0.0, change=0.4)
    assert (parts["replay_ratio_mean"] - 1).abs().min() > 1e-3
    wanted = plain(subject, drawn, correction)
    torch.testing.assert_close(again.double(), wanted, rtol=1e-3, atol=1e-5)
    assert (again - fresh).norm() > 0.1 * fresh.norm()


def test_cloning_by_the_sum_over_actions():
    subject = learner(
        range(2),
        batch=2,
        replay="uniform",
        replay_capacity=4,
        replay_coef=0.0,
        policy_cloning=0.5,
        value_cloning=0.25,
    )
    for change in (0.0, 0.4):
        _, again, parts, drawn = gradients(subject, 0.0, change=change)
        logits, values = subject.model.heads(drawn.trajectory.tapes)
        p, mu = logits.softmax(2), drawn.policy.exp()
        kl = (mu * (mu.log() - p.log())).sum(2).mean((0, 2))
        apart = (values - drawn.values).square().mean((0, 2))
        torch.testing.assert_close(parts["cloning_kl"], kl, rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(
            parts["replay_loss"], 0.5 * kl + 0.25 * apart, rtol=1e-3, atol=1e-6
        )
        if not change:
            assert kl.max() < 1e-6
            assert again.norm() < 1e-4


def test_the_agent_at_the_end_of_a_stage_is_cloned_on_episodes_of_earlier_stages():
    subject = learner(
        range(2),
        batch=2,
        replay="uniform",
        replay_capacity=2,
        replay_coef=0.0,
        policy_cloning=1.0,
        cloning_target="stage_end",
    )
    replay, model = subject.replay, subject.model
    _, _, parts, drawn = gradients(subject, 0.0, change=0.4)
    assert parts["cloning_kl"].max() == 0.0  # there is no earlier stage
    replay.end_stage()
    teacher = model.heads(drawn.trajectory.tapes)[0].log_softmax(2)
    args = (torch.zeros(2), torch.zeros(2))
    subject.stages.index = 1

    def kl():
        drawn, _, parts = replayed(subject, 8, model.parameters, *args)
        return drawn, parts["cloning_kl"]

    assert kl()[1].max() < 1e-6  # the agent is still what it was
    model.set_parameters(model.parameters * 1.5)
    drawn, found = kl()
    model.set_parameters(model.parameters / 1.5)
    now = drawn.trajectory.tapes[0].heads[:, :, :-1].log_softmax(2).clone()
    model.unroll(drawn.trajectory.tapes)
    was = model.heads(drawn.trajectory.tapes)[0].log_softmax(2)
    assert was.shape[2] == teacher.shape[2]
    torch.testing.assert_close(
        found, (was.exp() * (was - now)).sum(2).mean((0, 2)), rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize(
    ("batch", "ratio", "steps", "due"),
    [
        (1, 0.5, "mixed", [[], [1], [], [1]]),
        (2, 0.75, "mixed", [[1], [2], [1], [2]]),
        (2, 2.5, "separate", [[2, 2, 1]] * 4),
        (4, 1.0, "separate", [[4]] * 4),
    ],
)
def test_how_many_episodes_are_replayed(batch, ratio, steps, due):
    subject = learner(batch=batch, replay="uniform", replay_ratio=ratio, replay_steps=steps)
    assert [subject.replay.due(0) for _ in range(4)] == due


EXACT = {
    "reservoir": {"replay": "reservoir", "replay_capacity": 7, "replay_ratio": 0.75},
    "prioritised": {
        "replay": "prioritised",
        "replay_capacity": 9,
        "replay_steps": "separate",
        "passes": 2,
        "replay_ratio": 1.5,
        "policy_cloning": 0.1,
        "value_cloning": 0.1,
        "n_step": 3,
    },
    "uniform, privileged": {"replay": "uniform", "critic": "privileged", "correction": "clipped"},
}


@pytest.mark.parametrize("case", EXACT)
def test_a_member_replays_the_same_whoever_is_beside_it(case):
    together = curve(learner([0, 4, 7], seed=3, **EXACT[case]))
    assert same(curve(learner([4], seed=3, **EXACT[case])), together, [1])
    assert together[0][-1]["replay_loss"].abs().min() > 0


def test_a_member_replays_episodes_of_unequal_length_the_same_whoever_is_beside_it():
    def made(members):
        envs = make_envs(EnvironmentSpec(register_countdown(), ("action",)), members, 3)
        config = a2c(replay="prioritised", replay_capacity=8)
        return A2C(envs, NetworkConfig(hidden_size=8), config, members, 3, 10_000, 3)

    together = curve(made([0, 1, 2]), 6)
    assert same(curve(made([1]), 6), together, [1])


@pytest.mark.parametrize("case", EXACT)
def test_replay_goes_on_exactly_from_its_state(case):
    straight = learner([0, 4], **EXACT[case])
    for _ in range(3):
        straight.update()
    state = straight.state()
    assert all(len(value) == 2 for value in state.values())
    resumed = learner([0, 4], **EXACT[case])
    resumed.update()
    resumed.set_state(state)
    assert same(curve(straight), curve(resumed))


def test_what_cannot_be_combined_is_refused():
    network = NetworkConfig(hidden_size=8, layout="separate", actor_reward="rpe")
    with pytest.raises(PrefrontalError, match="replay cannot be combined with actor_reward"):
        learner(network=network, replay="uniform")
    with pytest.raises(ValueError, match='needs replay_steps "separate"'):
        a2c(replay="uniform", passes=2)
    with pytest.raises(ValueError, match="c_bar must not exceed rho_bar"):
        a2c(c_bar=2.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("replay_capacity", 0),
        ("replay_ratio", 0.0),
        ("replay_coef", -1.0),
        ("rho_bar", 0.0),
        ("policy_cloning", -0.1),
        ("value_cloning", -0.1),
        ("replay_from_stage", -1),
        ("ewc_coef", -1.0),
        ("ewc_decay", 1.5),
        ("ewc_episodes", 0),
    ],
)
def test_options_of_replay_have_ranges(name, value):
    with pytest.raises(ValueError, match=name):
        a2c(**{name: value})
