"""Heads beside policy and value: losses by hand, and where their gradients go."""

import math

import pytest
import torch

from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import HeadConfig, NetworkConfig
from prefrontal.agents.networks.heads import levels, loss, of_action, reading, value, width
from prefrontal.agents.networks.sizes import parameter_counts


def column(*numbers: float) -> torch.Tensor:
    """Numbers of one step of one member's episode, ``[1, 1, n, 1]``."""
    return torch.tensor(numbers).view(1, 1, -1, 1)


@pytest.mark.parametrize(
    ("kind", "size", "said", "target", "expected"),
    [
        ("squared", 2, (1.0, 3.0), (2.0, 1.0), 1 + 4),
        # τ = 1/4 and 3/4; errors -1 (below the first) and +2
        ("expectile", 2, (2.0, -1.0), (1.0,), 0.75 * 1 + 0.75 * 4),
        ("quantile", 2, (2.0, -1.0), (1.0,), 0.75 * 1 + 0.75 * 2),
        ("cross_entropy", 1, (0.0,), (1.0,), math.log(2)),
        ("cross_entropy", 1, (math.log(3),), (0.0,), math.log(4)),
        ("cross_entropy", 2, (math.log(3), 0.0), (1.0, 0.0), math.log(4 / 3)),
        ("gaussian", 1, (1.0, math.log(4)), (3.0,), (math.log(4) + 1) / 2),
    ],
)
def test_losses_by_hand(kind, size, said, target, expected):
    head = HeadConfig("it", target="context", size=size, loss=kind)
    found = loss(head, column(*said), column(*target))
    assert found.shape == (1, 1, 1)
    assert found.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["expectile", "quantile"])
def test_the_least_loss_is_at_the_expectiles_and_quantiles(kind):
    """Of a reward of 1 with probability .3: e = p τ / (p τ + (1 - p)(1 - τ))."""
    head = HeadConfig("it", size=4, loss=kind)
    torch.manual_seed(0)
    said = torch.full((1, 1, 4, 1), 0.5, dtype=torch.float64, requires_grad=True)
    step = torch.optim.Adam([said], lr=0.02)
    for _ in range(2000):
        step.zero_grad()
        found = 0.3 * loss(head, said, column(1.0).double())
        (found + 0.7 * loss(head, said, column(0.0).double())).sum().backward()
        step.step()
    tau = levels(head).double()
    exact = 0.3 * tau / (0.3 * tau + 0.7 * (1 - tau))
    if kind == "quantile":
        exact = (tau > 0.7).double()
    torch.testing.assert_close(said.detach().flatten(), exact, atol=0.02, rtol=0)


def test_what_heads_say():
    pair = column(math.log(3), 0.0)
    assert reading(HeadConfig("a", "x", 2, "cross_entropy"), pair)[0, 0, 0, 0].item() == (
        pytest.approx(0.75)
    )
    assert reading(HeadConfig("a", "x", 1, "cross_entropy"), column(0.0)).item() == 0.5
    gaussian = HeadConfig("a", loss="gaussian")
    said = reading(gaussian, column(2.0, math.log(9)))
    torch.testing.assert_close(said, column(2.0, 3.0))
    assert value(gaussian, column(2.0, 9.0)).item() == 2
    assert value(HeadConfig("a", size=2, loss="expectile"), column(1.0, 3.0)).item() == 2
    assert width(HeadConfig("a", size=2, loss="expectile")) == 1
    head = HeadConfig("a", "x", 2, per_action=True)
    outputs = torch.arange(6.0).view(1, 1, 6, 1)
    found = of_action(head, outputs, torch.tensor([[[2]]]))
    assert found.flatten().tolist() == [4, 5]


HEADS = (
    HeadConfig("values", size=3, loss="expectile"),
    HeadConfig("sure", "correct", loss="cross_entropy", per_action=True, into_core=False),
)


@pytest.mark.parametrize("layout", ["shared", "separate"])
@pytest.mark.parametrize("plain", [True, False])
def test_read_outs_and_gradients_are_those_of_the_definition(layout, plain):
    if not plain and not available():
        pytest.skip("no compiler")
    network = NetworkConfig(hidden_size=4, layout=layout, heads=HEADS)
    model = ActorCritic(3, 2, network, members=2, plain=plain)
    model.initialise([torch.Generator().manual_seed(i) for i in range(2)])
    tapes = model.tapes(5, 3)
    model.begin(tapes)
    torch.manual_seed(1)
    for t in range(5):
        x = torch.randn(2, 3, 3)
        for tape in tapes:
            tape.x_t[t].copy_(x)
        model.step(tapes, t)
    recorded = model.read(tapes)
    parameters = model.parameters.requires_grad_()
    logits, values, said = model.read(tapes, parameters)
    torch.testing.assert_close(logits, recorded[0])
    torch.testing.assert_close(values, recorded[1])
    hidden = tapes[-1].hidden()
    # Read-outs of the last net: (policy,) value, three expectiles, two confidences.
    rows = model._read_out(len(model.nets) - 1, parameters.detach())
    all_said = torch.einsum("poh,tphb->tpob", rows[:, :, :-1], hidden) + rows[:, :, -1:]
    first = 0 if layout == "separate" else 2
    torch.testing.assert_close(values, all_said[:, :, first])
    torch.testing.assert_close(said["values"], all_said[:, :, first + 1 : first + 4])
    torch.testing.assert_close(said["sure"], all_said[:, :, first + 4 :])
    for name, reaches in (("values", True), ("sure", False)):
        loss = said[name].square().sum()
        (gradient,) = torch.autograd.grad(loss, parameters, retain_graph=True)
        core = model.before_readouts()
        assert bool(gradient[:, core].any()) == reaches
        assert bool(gradient[:, ~core].any())
    readers = model.readers()
    assert readers is not None
    (gradient,) = torch.autograd.grad(said["sure"].sum(), parameters)
    assert bool((gradient[:, readers] != 0).all())
    assert not bool(gradient[:, ~readers].any())


def test_what_is_there_without_heads_is_drawn_alike():
    draws = []
    for heads in ((), HEADS):
        model = ActorCritic(3, 2, NetworkConfig(hidden_size=4, heads=heads))
        model.initialise([torch.Generator().manual_seed(0)])
        draws.append(model.parameters)
        assert model.parameters.shape[1] == sum(parameter_counts(3, 2, model.config))
    assert torch.equal(draws[1][:, : draws[0].shape[1]], draws[0])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "a b"}, "letters"),
        ({"name": "a", "per_action": True}, "values of states"),
        ({"name": "a", "size": 3}, "size must be 1"),
        ({"name": "a", "target": "encoding", "discount": 1.0}, "below 1"),
        ({"name": "a", "loss": "huber"}, "one of"),
        ({"name": "a", "weight": -1.0}, "not be negative"),
        ({"name": "a", "loss": "cross_entropy"}, "no probabilities"),
        ({"name": "a", "target": "correct", "discount": 0.5}, "has none"),
        ({"name": "a", "size": 0}, "at least 1"),
    ],
)
def test_wrong_heads_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said) as caught:
        HeadConfig(**wrong)
    assert "\n" not in str(caught.value)


def test_heads_need_names_of_their_own():
    with pytest.raises(ValueError, match="names of their own"):
        NetworkConfig(heads=(HeadConfig("a"), HeadConfig("a", "reward")))
