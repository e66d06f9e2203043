"""Actor-critics: layouts, initial weights, parameters as one flat vector."""

import math

import pytest
import torch

from prefrontal.agents.common.plain import to_plain
from prefrontal.agents.networks.actor_critic import PRESETS, ActorCritic, NetworkConfig
from prefrontal.agents.networks.cores import CORES
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


LAYOUTS = {
    "shared": {},
    "separate": {},
    "belief": {"head_units": 4},
    "belief, deep": {"head_units": 3, "head_layers": 3, "head_activation": "tanh"},
}


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("core", CORES)
def test_gradients_agree_with_autograd(core, layout, learned):
    options = LAYOUTS[layout]
    layout = layout.partition(",")[0]
    model = made(core=core, layout=layout, learned_initial_state=learned, **options)
    tapes, x, stepped = recorded(model)
    parts = model.parameters.requires_grad_()
    sizes = [net.parameters.shape[1] for net in model.nets]
    read = [
        torch.stack([reference_heads(net, flat, x, m)[0] for m in range(2)], dim=1)
        for net, flat in zip(model.nets, parts.split(sizes, dim=1), strict=True)
    ]
    logits = read[0][:, :, :ACTIONS]
    values = read[1][:, :, 0] if layout == "separate" else read[0][:, :, -1]

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


def test_perceptrons_share_nothing_but_the_belief():
    model = made(layout="belief", head_units=4, head_layers=2)
    tapes, _, _ = recorded(model)
    parameters = model.parameters.requires_grad_()
    core, head, _ = model.nets[0].sizes
    shapes = [(2, 4, 6), (2, 4, 5), (2, 5), (1, 5)]  # both, both, actor's output, critic's
    for chosen, heads in enumerate(model.heads(tapes, parameters)):
        (gradient,) = torch.autograd.grad(heads.square().sum(), parameters, retain_graph=True)
        assert gradient[:, :core].abs().max() > 1e-3
        first, second, actor, critic = gradient[:, core : core + head].split([48, 40, 10, 5], dim=1)
        assert [math.prod(shape) for shape in shapes] == [48, 40, 10, 5]
        own, other = ((actor, critic), (critic, actor))[chosen]
        assert own.any()
        assert not other.any()
        for layer, shape in ((first, shapes[0]), (second, shapes[1])):
            sides = layer.view(2, *shape)
            assert sides[:, chosen].any()
            assert not sides[:, 1 - chosen].any()


def test_a_rectified_layer_with_linear_heads_is_the_usual_perceptron():
    model = ActorCritic(9, 2, NetworkConfig(core="relu", hidden_size=100))
    model.initialise([torch.Generator().manual_seed(0)])
    weight, head, _ = (part[0] for part in model.nets[0].split(model.nets[0].parameters))
    perceptron = torch.nn.Sequential(
        torch.nn.Linear(9, 100), torch.nn.ReLU(), torch.nn.Linear(100, 3)
    )
    perceptron[0].weight.data, perceptron[0].bias.data = (
        weight[:, :9].clone(),
        weight[:, -1].clone(),
    )
    perceptron[2].weight.data, perceptron[2].bias.data = head[:, :-1].clone(), head[:, -1].clone()
    tapes = model.tapes(1, 7)
    model.begin(tapes)
    tapes[0].x_t[0].copy_(torch.randn(1, 9, 7, generator=torch.Generator().manual_seed(1)))
    logits = model.step(tapes, 0)[0].T
    wanted = perceptron(tapes[0].x_t[0][0].T)
    torch.testing.assert_close(logits, wanted[:, :2].detach())
    torch.testing.assert_close(model.heads(tapes)[1][0, 0], wanted[:, 2].detach())


@pytest.mark.parametrize(("preset", "layout"), PRESETS.items())
def test_presets_are_layouts(preset, layout):
    assert NetworkConfig(layout=preset) == NetworkConfig(layout=layout)
    assert to_plain(NetworkConfig(layout=preset))["layout"] == layout


def test_initial_weights_of_perceptrons():
    config = NetworkConfig(layout="belief", hidden_size=16, head_units=64, head_layers=2)
    model = ActorCritic(3, 2, config)
    model.initialise([torch.Generator().manual_seed(0)])
    net = model.nets[0]
    flat = net.split(net.parameters)[1]
    first, second, actor, critic = flat[0].split([128 * 17, 2 * 64 * 65, 2 * 65, 65])
    for part, bound in ((first, 0.25), (second, 0.125), (actor, 0.125), (critic, 0.125)):
        assert 0.9 * bound < part.abs().max() <= bound
        assert part.std().item() == pytest.approx(bound / 3**0.5, rel=0.15)


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


@pytest.mark.parametrize("name", ["hidden_size", "head_units", "head_layers"])
@pytest.mark.parametrize("value", [0, -3])
def test_a_network_needs_units(name, value):
    with pytest.raises(ValueError, match=f"{name} must be at least 1"):
        NetworkConfig(**{name: value})
