"""A linear layer in front of a feed-forward core: the course's parameters, gradients as of autograd, members apart."""

import pytest
import torch
from torch import Tensor

from prefrontal.agents import EnvironmentSpec, NetworkConfig, Population
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.networks.actor_critic import ActorCritic
from tests.agents.helpers import learner

COURSE = NetworkConfig(core="relu", hidden_size=100, embedding_size=100)


def plain(model: ActorCritic, flat: Tensor, x: Tensor) -> Tensor:
    """Read-outs ``[T, P, O, B]`` in ordinary differentiable PyTorch."""
    first, second, third = model.nets[0].split(flat)
    embedded = first[:, :, :-1] @ x + first[:, :, -1:]
    hidden = (second[:, :, :-1] @ embedded + second[:, :, -1:]).relu()
    return third[:, :, :-1] @ hidden + third[:, :, -1:]


def test_the_courses_agent_has_its_number_of_parameters():
    model = ActorCritic(9, 2, COURSE, 3)
    assert model.parameters.shape == (3, 11_403)
    model.initialise([generator(0, member, "weights") for member in range(3)])
    for part, inputs in zip(model.nets[0].split(model.parameters), (9, 100, 100), strict=True):
        assert part.abs().max() <= inputs**-0.5
        assert part.abs().max() > 0.9 * inputs**-0.5
        assert len({row.sum().item() for row in part}) == 3


@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_forward_and_backward_agree_with_autograd(layout):
    config = NetworkConfig(core="relu", hidden_size=5, embedding_size=4, layout=layout)
    model = ActorCritic(3, 2, config, 2, torch.float64)
    model.initialise([generator(1, member, "weights") for member in range(2)])
    tapes = model.tapes(6, 7)
    x = torch.randn(6, 2, 3, 7, dtype=torch.float64)
    model.begin(tapes)
    for t in range(6):
        for tape in tapes:
            tape.x_t[t].copy_(x[t])
        model.step(tapes, t)
    flat = model.parameters.requires_grad_()
    logits, values = model.heads(tapes, flat)
    weight = torch.randn_like(logits)
    (ours,) = torch.autograd.grad((logits * weight).sum() + values.square().sum(), flat)
    if layout == "shared":
        heads = plain(model, flat, x)
        torch.testing.assert_close(torch.cat([logits, values.unsqueeze(2)], 2), heads)
        loss = (heads[:, :, :-1] * weight).sum() + heads[:, :, -1].square().sum()
        (theirs,) = torch.autograd.grad(loss, flat)
        torch.testing.assert_close(ours, theirs)
        hidden = tapes[0].hidden()
        assert hidden.shape == (6, 2, 5, 7)
        third = model.nets[0].split(flat)[2]
        torch.testing.assert_close(third[:, :, :-1] @ hidden + third[:, :, -1:], heads)
    else:
        step, before = 1e-6, ((logits * weight).sum() + values.square().sum()).item()
        for index in (0, flat.shape[1] - 1):
            moved = flat.detach().clone()
            moved[1, index] += step
            model.set_parameters(moved)
            model.unroll(tapes)
            after = model.heads(tapes)
            changed = (after[0] * weight).sum() + after[1].square().sum()
            assert ((changed - before) / step).item() == pytest.approx(
                ours[1, index].item(), rel=1e-3, abs=1e-5
            )


def test_a_member_learns_alike_in_any_company():
    network = NetworkConfig(core="relu", hidden_size=16, embedding_size=12)
    alone, beside = (learner(m, network=network, batch=3) for m in ([1], [0, 1, 2]))
    for _ in range(5):
        alone.update()
        beside.update()
    assert torch.equal(alone.model.parameters[0], beside.model.parameters[1])


def test_trained_agents_predict_and_are_saved(tmp_path):
    from prefrontal.agents import load

    spec = EnvironmentSpec("prefrontal/ChangingReward-v0", ("reward", "action"))
    population = Population.create(spec, COURSE, members=2)
    population.save(tmp_path)
    agent, again = population[1], load(tmp_path)[1]
    x = torch.rand(4, 9)
    actions, state = agent.predict(x.numpy(), deterministic=True)
    expected = plain(agent.model, agent.model.parameters, x.T[None])[0, :-1].argmax(0)
    assert actions.tolist() == expected.tolist()
    assert again.predict(x.numpy(), state, [False] * 4, True)[0].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"core": "lstm"}, 'embedding_size needs the core "relu"'),
        ({"core": "relu", "layout": "belief"}, 'and no layout "belief"'),
        ({"core": "relu", "learned_initial_state": True}, "network without state"),
        ({"core": "relu", "embedding_size": -1}, "must not be negative"),
    ],
)
def test_bad_settings_are_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**{"embedding_size": 4, **wrong})
