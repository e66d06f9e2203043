"""The course's buffer is what the course's code does.

Its loss by broadcasting, its stored graphs by autograd.
"""

import dataclasses

import pytest
import torch

from prefrontal.agents import EnvironmentSpec, NetworkConfig
from prefrontal.agents.a2c.config import CourseReplayConfig
from prefrontal.agents.a2c.course import make_learner, published_loss
from prefrontal.agents.base import Job
from tests.agents.helpers import reference_heads

SPEC = EnvironmentSpec(
    "prefrontal/ChangingReward-v0",
    ("reward", "action"),
    {"scale": 0.25, "trials": 10},
    stages=({"mode": "1"}, {"mode": "2"}),
)
NETWORK = NetworkConfig(core="relu", hidden_size=8, embedding_size=7)


def make(members=(0, 1), updates=10, **config):
    job = Job(SPEC, NETWORK, CourseReplayConfig(**config), 2, 1, 10 * updates, 3)
    return make_learner(job, list(members))


def test_loss_is_the_one_that_broadcasting_gives():
    config = CourseReplayConfig()
    torch.manual_seed(0)
    logits, values = torch.randn(2, 2, 5, dtype=torch.float64), torch.randn(2, 5).double()
    actions, returns = torch.tensor([[0, 1, 1, 0, 1], [1, 0, 0, 0, 1]]), torch.rand(2, 5).double()
    for member in range(2):
        log_probs = logits[member].log_softmax(0)  # [K, T]
        chosen = log_probs.gather(0, actions[member][None])[0]  # (T,)
        matrix = returns[member] - values[member][:, None]  # (T,) - (T, 1)
        policy = (-chosen * matrix).mean()
        entropy = -(log_probs.exp() * log_probs).sum(0).mean()
        expected = policy + 0.4 * (matrix**2).mean() - 0.001 * entropy
        ours = published_loss(logits, values, actions, returns, config)[member]
        assert ours.item() == pytest.approx(expected.item())


def test_a_stored_graph_gives_the_same_gradient_again_whatever_the_weights_have_become():
    learner = make(capacity=3)
    before = learner.model.parameters
    learner.update()
    # The course's way: weights are cloned for the forward pass, the loss is kept, weights change in
    # place.
    tape, leaf = learner._rollout.tapes[0], before.clone().requires_grad_()
    x = torch.stack(tape.x_t[:10])
    flat, net = leaf.clone(), learner.model.nets[0]
    read = torch.stack([reference_heads(net, flat, x, m)[0] for m in range(len(leaf))])
    heads = read.transpose(1, 2).flatten(2)  # [P, O, T]
    actions, rewards = (
        y[:10, :, 0].T for y in (learner._rollout.actions, learner._rollout.rewards)
    )
    discounts = 0.91 ** (torch.arange(10) - torch.arange(10)[:, None]).clamp(min=0)
    returns = (rewards[:, None] * torch.triu(discounts)).sum(2)
    loss = published_loss(heads[:, :-1], heads[:, -1], actions, returns, learner.config).sum()
    (first,) = torch.autograd.grad(loss, leaf, retain_graph=True)
    with torch.no_grad():
        leaf.add_(1.0)
    (again,) = torch.autograd.grad(loss, leaf)
    assert torch.equal(first, again)
    torch.testing.assert_close(learner.buffer[:, 0], first, rtol=1e-4, atol=1e-6)


def test_the_buffer_is_a_ring_of_the_first_stage_and_read_in_order():
    learner = make(capacity=3)
    kept = []
    for _ in range(5):
        metrics = learner.update()
        kept.append(learner.buffer[:, (learner.written - 1) % 3].clone())
    assert (learner.written, learner.read, learner.stage) == (5, 0, 0)
    for slot, update in enumerate((3, 4, 2)):
        assert torch.equal(learner.buffer[:, slot], kept[update])
    for _ in range(5):
        metrics = learner.update()
    assert (learner.written, learner.read, learner.stage) == (5, 5, 1)
    assert metrics["stage"].tolist() == [1, 1]
    assert learner.optimiser.count == 10  # two steps an update since the new optimiser
    assert learner.stages.now.task.sequence == (2,)
    assert set(metrics) >= {"return", "entropy"}


def test_without_a_buffer_it_is_the_same_agent_until_it_would_be_read():
    with_buffer, without = make(capacity=3), make(capacity=0)
    for update in range(7):
        with_buffer.update()
        without.update()
        same = torch.equal(with_buffer.model.parameters, without.model.parameters)
        assert same == (update < 5)


def test_members_learn_apart_and_training_goes_on_exactly():
    both, alone = make(), make([1])
    for _ in range(8):
        both.update()
        alone.update()
    torch.testing.assert_close(both.model.parameters[1], alone.model.parameters[0])
    for stop in (3, 5, 7):
        first = make()
        for _ in range(stop):
            first.update()
        state = {name: value.clone() for name, value in first.state().items()}
        assert all(len(value) == 2 for value in state.values())
        second = make()
        second.set_state(state)
        for _ in range(3):
            first.update()
            second.update()
        assert torch.equal(first.model.parameters, second.model.parameters)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"discount": 1.1}, "discount must be between"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"capacity": -1}, "capacity must not be negative"),
    ],
)
def test_bad_settings_are_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        CourseReplayConfig(**wrong)


def test_published_settings():
    assert dataclasses.asdict(CourseReplayConfig()) == {
        "learning_rate": 7.5e-4,
        "epsilon": 1e-5,
        "discount": 0.91,
        "value_coef": 0.4,
        "entropy_coef": 0.001,
        "capacity": 250,
    }
