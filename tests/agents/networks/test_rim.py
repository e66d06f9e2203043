"""Recurrent independent mechanisms against numbers worked out by hand, and in all learners."""

import math

import pytest
import torch

import prefrontal.agents.training.loop
from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig, load
from prefrontal.agents.a2c.config import ReplayConfig
from prefrontal.agents.base import Job
from prefrontal.agents.evolution.config import EvolutionConfig
from prefrontal.agents.networks.cores.rim import RIM
from prefrontal.agents.networks.cores.workspace import RIMWorkspace
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.agents.training.loop import train
from prefrontal.checks.cores import core_problems
from tests.agents.helpers import BANDIT

SMALL = {"modules": 3, "active": 2, "key_size": 2, "value_size": 2}
CASES = {
    "rim": (RIM, {}),
    "two heads": (RIM, {"heads": 2}),
    "alone": (RIM, {"heads": 0}),
    "all active": (RIM, {"active": 3}),
    "workspace": (RIMWorkspace, {"slots": 2}),
}


def drawn(cls, inputs=3, units=6, seed=0, **own):
    core = cls(inputs, units, **{**SMALL, **own})
    core.initialise(torch.Generator().manual_seed(seed), 2.0, 0.5)
    return core.double()


def randn(*size, seed=5):
    return torch.randn(*size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def softmax(scores):
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


def filled(part, values):
    part.data = torch.tensor(values, dtype=torch.float64).view(part.shape)


def two_modules(cls, **own):
    """Two modules of one unit, one of which is active: weights, input and state by hand."""
    core = cls(1, 2, modules=2, active=1, key_size=1, value_size=1, **own).double()
    filled(core.encode, [0.5, 0.1, -0.7, 0.2])  # key .5 x + .1, value -.7 x + .2
    filled(core.ask, [2.0, 0.3, 1.0, -0.4])  # query 2 h + .3, h - .4
    filled(core.read, [0.1, 0.2, 0.3, 0.4, -0.5, 0.6, 0.7, -0.8])  # i f g o of either module
    filled(core.recur, [0.2, 0.01, 0.3, 0.02, 0.4, 0.03, 0.5, 0.04] * 2)  # of h, and bias
    state = torch.tensor([[[0.6], [-0.2]]]).double(), torch.tensor([[[0.9], [0.3]]]).double()
    return core, torch.tensor([[2.0]]).double(), state


def first_step():
    """Return h and c of the two modules before they communicate; the first is the active one."""
    key, value = 0.5 * 2 + 0.1, -0.7 * 2 + 0.2
    scores = [(2 * 0.6 + 0.3) * key, (-0.2 - 0.4) * key]
    assert scores[0] > scores[1]
    a = softmax([scores[0], 0.0])[0] * value  # attention on the input, and on the row of zeros
    i = sigmoid(0.1 * a + 0.2 * 0.6 + 0.01)
    f = sigmoid(0.2 * a + 0.3 * 0.6 + 0.02)
    g = math.tanh(0.3 * a + 0.4 * 0.6 + 0.03)
    o = sigmoid(0.4 * a + 0.5 * 0.6 + 0.04)
    c = f * 0.9 + i * g
    return (o * math.tanh(c), -0.2), (c, 0.3)


def assert_state(found, h, c):
    torch.testing.assert_close(found[0].flatten(), torch.tensor(h).double(), rtol=0, atol=1e-7)
    torch.testing.assert_close(found[1].flatten(), torch.tensor(c).double(), rtol=0, atol=1e-7)


def test_a_step_without_communication_is_that_by_hand():
    core, x, state = two_modules(RIM, heads=0)
    features, after = core(x, state)
    h, c = first_step()
    assert_state(after, h, c)
    assert features.tolist() == [after[0].flatten().tolist()]


def test_communication_is_that_by_hand():
    """The active module hears of both; the other hears nothing."""
    core, x, state = two_modules(RIM, heads=2)
    # query, key, value of heads 1 and 2, by module
    filled(core.talk, [0.5, -1.0, 2.0, 1.5, 0.3, -0.4, 0.7, 1.2, -0.6, -0.9, 0.8, 0.1])
    h, c = first_step()
    first = softmax([0.5 * h[0] * -1.0 * h[0], 0.5 * h[0] * 1.2 * h[1]])
    second = softmax([1.5 * h[0] * 0.3 * h[0], 1.5 * h[0] * 0.8 * h[1]])
    heard = first[0] * 2.0 * h[0] + first[1] * -0.6 * h[1]
    heard += second[0] * -0.4 * h[0] + second[1] * 0.1 * h[1]
    assert_state(core(x, state)[1], (h[0] + heard, h[1]), c)


def test_the_workspace_is_that_by_hand():
    """Two slots, one module writes to each; the active one hears both."""
    core, x, state = two_modules(RIMWorkspace, slots=2, writers=1)
    slots = [0.5, -1.0]
    filled(core.start, slots)
    filled(core.admit, [1.5])
    filled(core.say, [1.0, 2.0, 0.7, -2.0, -0.5, 0.9])  # key, value, query by module
    filled(core.gate, [0.3, -0.2, 0.1, 0.6, 0.4, 0.9])  # i, f of written, tanh(slot), 1
    filled(core.broadcast, [0.8, 1.1])  # key, value
    h, c = first_step()
    made = []
    for slot in slots:
        scores = [1.5 * slot * 1.0 * h[0], 1.5 * slot * -2.0 * h[1]]
        writer = scores.index(max(scores))
        written = (2.0, -0.5)[writer] * h[writer]
        i = sigmoid(0.3 * written - 0.2 * math.tanh(slot) + 0.1)
        f = sigmoid(0.6 * written + 0.4 * math.tanh(slot) + 0.9)
        made.append((writer, f * slot + i * math.tanh(written)))
    assert {writer for writer, _ in made} == {0, 1}
    after = [slot for _, slot in made]
    weights = softmax([0.7 * h[0] * 0.8 * slot for slot in after])
    heard = sum(w * 1.1 * slot for w, slot in zip(weights, after, strict=True))
    found = core(x, (*state, core.initial_state(1)[2]))[1]
    assert_state(found, (h[0] + heard, h[1]), c)
    torch.testing.assert_close(found[2].flatten(), torch.tensor(after).double())


def test_several_writers_share_the_weight():
    """Weights of the writers sum to 1, and of the others are 0."""
    core = drawn(RIMWorkspace, slots=1, writers=2)
    h = randn(3, 2, 1)
    core.say.data[:, 2:4] = 0  # values: which modules write is read off these
    core.gate.data[:] = 0  # i = f = 1/2
    key = torch.einsum("ku,kdu->kd", h[:, :, 0], core.say[:, :2])
    scores = (key @ (core.admit @ core.start[0])) / 2**0.5
    best = scores.argsort(descending=True)[:2]
    expected = scores[best].softmax(0)
    for module in range(3):
        own = core.say.data.clone()
        core.say.data[module, 2] = 1.0
        value = h[module].sum()
        (slots,) = core.communicate(h, [core.start[:, :, None]])[1]
        weight = expected[best == module].sum()
        wanted = 0.5 * core.start[0, 0] + 0.5 * torch.tanh(weight * value)
        torch.testing.assert_close(slots[0, 0, 0], wanted)
        core.say.data = own


@pytest.mark.parametrize("name", CASES)
def test_modules_at_rest_keep_their_state_to_the_bit(name):
    cls, own = CASES[name]
    core, count = drawn(cls, **own), own.get("active", 2)
    state = (randn(4, 3, 2), randn(4, 3, 2, seed=6), *core.initial_state(4)[2:])
    seen = set()
    for x in randn(20, 4, 3, seed=7):
        _, after = core(x, state)
        moved = (after[1] != state[1]).any(2)
        assert (moved.sum(1) == count).all()
        assert torch.equal(after[0][~moved], state[0][~moved])
        assert (after[0][moved] != state[0][moved]).any(1).all()
        seen |= {tuple(row) for row in moved.tolist()}
        state = after
    assert len(seen) > 1 or count == 3  # who is active changes


def test_the_gradient_passes_modules_at_rest_unchanged_and_losers_learn_nothing():
    core = drawn(RIM, heads=0)
    h, c = randn(1, 3, 2).requires_grad_(), randn(1, 3, 2, seed=6).requires_grad_()
    x = randn(1, 3, seed=7).requires_grad_()
    features, (_, cell) = core(x, (h, c))
    (resting,) = (cell == c).all(2)[0].nonzero().flatten().tolist()
    weights = randn(2, 3, 2, seed=8)
    total = (features.view(3, 2) * weights[0] + cell[0] * weights[1])[resting].sum()
    to_h, to_c, to_x, ask = torch.autograd.grad(total, [h, c, x, core.ask], allow_unused=True)
    for gradient, weight in ((to_h, weights[0]), (to_c, weights[1])):
        assert torch.equal(gradient[0, resting], weight[resting])
        assert gradient.abs().sum() == weight[resting].abs().sum()
    assert not to_x.any()
    assert not ask.any()
    (ask,) = torch.autograd.grad(core(x, (h, c))[0].sum(), core.ask)
    assert [bool(part.any()) for part in ask] == [module != resting for module in range(3)]


def test_attention_is_shared_with_a_row_of_zeros():
    """A key far from the query reads nothing: the module sees its own past alone."""
    core = drawn(RIM, heads=0, active=3)
    state = (randn(1, 3, 2), randn(1, 3, 2, seed=6))
    core.encode.data[:2] = 0
    core.encode.data[0, -1] = 1.0
    core.ask.data[:] = 0
    core.ask.data[:, -1, 0] = -1e4
    one, other = core(randn(1, 3), state)[0], core(randn(1, 3, seed=8), state)[0]
    assert torch.equal(one, other)
    core.ask.data[:, -1, 0] = 0  # as near to the input as to zeros
    read = core.encode[2:, :-1] @ randn(3) + core.encode[2:, -1]
    pre = core.recur[:, :, -1] + core.read @ (read / 2)
    pre = pre + torch.einsum("kgu,ku->kg", core.recur[:, :, :-1], state[0][0])
    i, f, g, o = pre.chunk(4, 1)
    cell = f.sigmoid() * state[1][0] + i.sigmoid() * g.tanh()
    wanted = (o.sigmoid() * cell.tanh()).flatten()
    torch.testing.assert_close(core(randn(1, 3), state)[0][0], wanted)


@pytest.mark.parametrize("name", CASES)
def test_all_steps_at_once_are_the_steps(name):
    cls, own = CASES[name]
    core, xs = drawn(cls, **own), randn(6, 4, 3)
    state, steps = core.initial_state(4), []
    for x in xs:
        features, state = core(x, state)
        steps.append(features)
    once = core.sequence(xs, core.initial_state(4))
    torch.testing.assert_close(once, torch.stack(steps), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_finite_differences(name):
    cls, own = CASES[name]
    core, xs = drawn(cls, inputs=1, units=3, **own), randn(3, 2, 1)
    names = [key for key, _ in core.named_parameters()]

    class Played(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.core = core

        def forward(self):
            return self.core.sequence(xs, self.core.initial_state(2))

    def features(*values):
        named = {f"core.{key}": value for key, value in zip(names, values, strict=True)}
        return torch.func.functional_call(Played(), named, ())

    leaves = [part.detach().requires_grad_() for part in core.parameters()]
    assert torch.autograd.gradcheck(features, leaves)


@pytest.mark.parametrize("cls", [RIM, RIMWorkspace])
def test_the_checker_has_nothing_to_say(cls):
    assert list(core_problems(cls)) == []


@pytest.mark.parametrize(
    ("cls", "own", "message"),
    [
        (RIM, {"modules": 5}, "hidden_size must be a multiple of the 5 modules, not 12"),
        (RIM, {"active": 7}, "active must be from 1 to 6, not 7"),
        (RIM, {"active": 0}, "active must be from 1 to 6, not 0"),
        (RIM, {"heads": -1}, "heads must be at least 0, not -1"),
        (RIM, {"key_size": 0}, "key_size must be at least 1, not 0"),
        (RIMWorkspace, {"writers": 7}, "writers must be from 1 to 6, not 7"),
        (RIMWorkspace, {"slots": 0}, "slots must be at least 1, not 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(cls, own, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        cls(3, 12, **own)


LEARNERS = {
    "a2c": (A2CConfig(), 4),
    "replay": (A2CConfig(replay=ReplayConfig(keep="uniform", capacity=20)), 4),
    "r2d2": (R2D2Config(replay_capacity=50, replay_batch=4, replay_start=4), 4),
    "evolution": (
        EvolutionConfig(
            individuals=4,
            offspring=2,
            remeasured=1,
            tasks=2,
            tournament=2,
            truncation=2,
            learning_updates=1,
        ),
        1,
    ),
}


class Killed(Exception):
    """Ends a run from within its report."""


@pytest.mark.parametrize("core", ["rim", "rim-workspace"])
@pytest.mark.parametrize("name", LEARNERS)
def test_learners_train_it_go_on_exactly_and_record_it(core, name, tmp_path, monkeypatch):
    algorithm, num_envs = LEARNERS[name]
    job = Job(
        environment=EnvironmentSpec(BANDIT, ("action", "reward"), {"trials": 4}),
        network=NetworkConfig(core=core, hidden_size=6),
        algorithm=algorithm,
        members=2,
        num_envs=num_envs,
        total_steps=96,
        seed=3,
    )
    monkeypatch.setattr(prefrontal.agents.training.loop, "CHECKPOINT_SECONDS", 0.0)

    def killed(progress):
        if progress.metrics:
            raise Killed

    with RunFolder.create(tmp_path / "one", {}) as run:
        train(job, run)
    with RunFolder.create(tmp_path / "other", {}) as run, pytest.raises(Killed):
        train(job, run, 1, killed)
    with RunFolder.resume(tmp_path / "other") as run:
        train(job, run)
    agents = load(tmp_path / "one")
    again = load(tmp_path / "other")
    assert torch.equal(agents.model.parameters, again.model.parameters)
    assert agents.network.core == core
