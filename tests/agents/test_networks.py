"""Actor-critics: layouts, initial weights, parameters as one flat vector."""

import pytest
import torch

from agents.cores import CORES
from agents.networks import ActorCritic, NetworkConfig
from tests.agents.helpers import reference_heads

STEPS, INPUTS, ACTIONS, BATCH = 6, 3, 2, 4


def made(dtype=torch.float64, members=2, **config) -> ActorCritic:
    model = ActorCritic(INPUTS, ACTIONS, NetworkConfig(hidden_size=5, **config), members, dtype)
    model.initialise([torch.Generator().manual_seed(10 + m) for m in range(members)])
    return model


def recorded(model: ActorCritic):
    x = torch.randn(STEPS, model.members, INPUTS, BATCH, generator=torch.Generator().manual_seed(1))
    x = x.to(model.dtype)
    tapes = model.tapes(STEPS, BATCH)
    model.begin(tapes)
    logits = []
    for t in range(STEPS):
        for tape in tapes:
            tape.x_t[t].copy_(x[t])
        logits.append(model.step(tapes, t).clone())
    return tapes, x, torch.stack(logits)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("layout", ["shared", "separate"])
@pytest.mark.parametrize("core", CORES)
def test_gradients_agree_with_autograd(core, layout, learned):
    model = made(core=core, layout=layout, learned_initial_state=learned)
    tapes, x, stepped = recorded(model)
    parts = model.parameters.requires_grad_()
    sizes = [net.parameters.shape[1] for net in model.nets]
    read = [
        torch.stack([reference_heads(net, flat, x, m)[0] for m in range(2)], dim=1)
        for net, flat in zip(model.nets, parts.split(sizes, dim=1), strict=True)
    ]
    logits = read[0][:, :, :ACTIONS]
    values = read[0][:, :, -1] if layout == "shared" else read[1][:, :, 0]

    def loss(logits, values):
        weight = torch.arange(values.numel(), dtype=values.dtype).sin().view(values.shape)
        picked = logits.log_softmax(2)[:, :, 1] * weight
        return (picked + (values - weight).square()).sum()

    torch.testing.assert_close(stepped, logits, rtol=0, atol=1e-12)
    (wanted,) = torch.autograd.grad(loss(logits, values), parts)
    ours = model.parameters.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(*model.heads(tapes, ours)), ours)
    torch.testing.assert_close(gradient, wanted, rtol=1e-10, atol=1e-10)
    detached = model.heads(tapes)
    torch.testing.assert_close(detached[0], logits.detach(), rtol=0, atol=1e-12)
    torch.testing.assert_close(detached[1], values.detach(), rtol=0, atol=1e-12)


def test_separate_cores_share_nothing():
    model = made(layout="separate")
    tapes, _, _ = recorded(model)
    parameters = model.parameters.requires_grad_()
    logits, values = model.heads(tapes, parameters)
    actor = model.nets[0].parameters.shape[1]
    for heads, own in ((logits, slice(0, actor)), (values, slice(actor, None))):
        (gradient,) = torch.autograd.grad(heads.square().sum(), parameters, retain_graph=True)
        assert gradient[:, own].abs().max() > 1e-3
        gradient[:, own] = 0
        assert not gradient.any()


def test_parameters_survive_a_round_trip_and_unroll_sees_new_ones():
    model, other = made(layout="separate"), made(layout="separate")
    other.set_parameters(model.parameters * 0.5)
    assert torch.equal(other.parameters, model.parameters * 0.5)
    tapes, _, stepped = recorded(model)
    copied, _, wanted = recorded(other)
    model.set_parameters(other.parameters)
    model.unroll(tapes)
    for mine, theirs in zip(model.heads(tapes), other.heads(copied), strict=True):
        assert torch.equal(mine, theirs)
    assert not torch.equal(stepped, wanted)


def test_parameters_are_a_copy():
    model = made()
    flat = model.parameters
    flat.zero_()
    assert model.parameters.any()


def test_a_member_is_drawn_from_its_own_generator():
    model, alone = made(members=3), made(members=1)
    assert not torch.equal(model.parameters[0], model.parameters[1])
    assert torch.equal(model.parameters[0], alone.parameters[0])


def test_initial_weights():
    config = NetworkConfig(
        hidden_size=64, input_gain=3.0, forget_bias=2.0, learned_initial_state=True
    )
    model = ActorCritic(10, 2, config)
    model.initialise([torch.Generator().manual_seed(0)])
    weight, head, initial = (part[0] for part in model.nets[0].split(model.nets[0].parameters))
    bound = 1 / 8
    assert weight[:, 10:-1].abs().max() <= bound
    assert weight[:, 10:-1].std() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert 2 * bound < weight[:, :10].abs().max() <= 3 * bound
    bias = weight[:, -1].view(4, 64)
    assert bias[1].mean() == pytest.approx(2.0, abs=0.05)
    assert bias[[0, 2, 3]].abs().max() <= bound
    assert head.shape == (3, 65)
    assert bound / 2 < head.abs().max() <= bound
    assert not initial.any()


def test_a_learned_initial_state_is_where_episodes_begin():
    model = made(learned_initial_state=True)
    net = model.nets[0]
    net.split(net.parameters)[2].fill_(0.25)
    net.refresh()
    tapes = model.tapes(2, BATCH)
    model.begin(tapes)
    for state in net.core.get_state(tapes[0], 0):
        assert torch.equal(state, torch.full_like(state, 0.25))


@pytest.mark.parametrize("hidden_size", [0, -3])
def test_a_network_needs_units(hidden_size):
    with pytest.raises(ValueError, match="hidden_size must be at least 1"):
        NetworkConfig(hidden_size=hidden_size)
