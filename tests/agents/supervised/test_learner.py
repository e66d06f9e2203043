"""Decision pretraining: what is watched, what is learned of it, and what cannot be."""

import pytest
import torch

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig, registry
from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.population import Population
from prefrontal.agents.supervised.config import DecisionPretrainedConfig
from prefrontal.agents.supervised.learner import behaviour

SPEC = EnvironmentSpec(
    "prefrontal/TwoArmedBandit-v0", ("action", "centred_reward"), {"trials": 6}, split="all"
)


def job(network=None, members=2, batch=5, spec=SPEC, steps=3000, **config):
    network = network or NetworkConfig(hidden_size=6)
    algorithm = DecisionPretrainedConfig(**config)
    return Job(spec, network, algorithm, members, batch, steps, seed=4)


def learner(*args, **kwargs):
    one = job(*args, **kwargs)
    return registry.make_learner(one, range(one.members))


def test_behaviour_by_hand():
    """τ log(-log u) of the numbers that a generator draws: τ first, then u."""
    generator = torch.Generator().manual_seed(0)
    tau, u = 2 * torch.rand(4, generator=generator), torch.rand(3, 4, generator=generator)
    logits = behaviour(2.0, 4, 3, torch.Generator().manual_seed(0))
    torch.testing.assert_close(logits.exp(), (-u.log()) ** tau)
    assert not behaviour(0.0, 4, 3, generator).any()


def test_policies_differ_between_episodes_and_not_within():
    drawn = behaviour(1.0, 50_000, 2, torch.Generator().manual_seed(1)).softmax(0)[0]
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
    assert 0.01 < drawn.std() < 0.29  # that of a uniform number, τ = 1 throughout
    subject = learner(batch=2000, members=1, spread=6.0)
    first, second = subject.rollout.collect().actions[:2, 0].double()
    assert torch.corrcoef(torch.stack([first, second]))[0, 1] > 0.4


def test_what_is_watched_does_not_depend_on_the_agent():
    one, other = learner(), learner()
    other.model.set_parameters(5 * other.model.parameters)
    seen = [subject.rollout.collect() for subject in (one, other)]
    assert torch.equal(seen[0].actions, seen[1].actions)
    assert torch.equal(seen[0].tapes[0].x, seen[1].tapes[0].x)


@pytest.mark.parametrize("core", ["lstm", "gru", "attention"])
def test_the_gradient_is_that_of_the_cross_entropy(core):
    """Against one member's plain network, before the first step of the optimiser."""
    network = NetworkConfig(core=core, hidden_size=6)
    subject, twin = learner(network, clip_norm=1e9), learner(network)
    told = subject.update()
    seen, model = twin.rollout.collect(), twin.model
    x, parameters = seen.tapes[0].x.clone(), model.parameters.requires_grad_()
    if core == "lstm":
        x = x[:-1]  # the compiled network's tape has a slot more
    heads = _plain(model, parameters, x[: seen.steps])
    labels = seen.task["p"].argmax(2)  # [P, B]
    chosen = heads[:, :, :2].log_softmax(2).gather(2, labels.expand(6, 2, 5).unsqueeze(2))
    loss = -chosen.mean((0, 2, 3))
    (gradient,) = torch.autograd.grad(loss.sum(), parameters)
    torch.testing.assert_close(told["loss"].float(), loss.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        told["gradient_norm"].float(), gradient.norm(dim=1), rtol=1e-3, atol=1e-5
    )


def _plain(model, parameters, x):
    """Read-outs ``[T, P, O, B]`` by networks in plain PyTorch, step by step."""
    from prefrontal.agents.networks.vectorised import Net, Vectorised

    x = x if x.shape[2] != model.input_size else x.transpose(2, 3)
    plain = Vectorised(Net(model.input_size, model.num_actions + 1, model.config))
    views = plain.views(parameters)
    state, steps = plain.initial_state(views, x.shape[2]), []
    for x_t in x:
        outputs, _, state = plain.step(views, x_t, state)
        steps.append(outputs.transpose(1, 2))
    return torch.stack(steps)


@pytest.mark.parametrize("core", ["lstm", "attention"])
def test_it_learns_which_arm_is_best(core):
    network = NetworkConfig(core=core, hidden_size=8, input_gain=3.0)
    subject = learner(network, batch=64, steps=120 * 64 * 6, learning_rate=1e-2)
    told = [subject.update() for _ in range(120)]
    losses = torch.stack([one["loss"] for one in told])
    assert losses[:5].mean() > 0.66
    assert (losses[-20:].mean(0) < 0.665).all()  # ln 2 = .693 without any pull
    assert told[-1]["learning_rate"].max() < told[0]["learning_rate"].max()


def test_the_agents_are_actor_critics():
    one = job()
    agents = registry.make_population(one, registry.make_learner(one, [0, 1]).state()["weights"])
    assert type(agents) is Population
    assert registry.meta(one) == agents.meta()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (job(NetworkConfig(layout="separate", actor_reward="rpe")), "reward"),
        (job(spec=EnvironmentSpec("CartPole-v1", ("action",))), "says 'optimal_action'"),
        (job(spec=EnvironmentSpec("Pendulum-v1", ("action",))), "Discrete"),
    ],
)
def test_what_cannot_be_learned_is_said(wrong, message):
    with pytest.raises(ConfigError, match=message):
        registry.check(wrong)


def test_what_can_is_checked_in_silence():
    assert registry.check(job()) == ""
    with pytest.raises(ValueError, match="spread must not be negative"):
        DecisionPretrainedConfig(spread=-1.0)
    assert DecisionPretrainedConfig().final_discount == 0 != A2CConfig().final_discount
