"""Rules in the learner: noise that finds the gradient, exact resume, what is refused."""

from __future__ import annotations

import pytest
import torch

from prefrontal.agents import NetworkConfig
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.rules.config import RuleConfig
from prefrontal.agents.rules.perturbation import Perturbation
from prefrontal.agents.rules.search import Search, _centred_ranks
from tests.agents.helpers import a2c, learner

RULES = [
    {"rule": "truncated", "truncation": 2},
    {"rule": "eprop", "feedback": "adaptive"},
    {"rule": "bptt", "feedback": "redrawn", "passes": 2},
    {"rule": "readout", "critic": "privileged"},
    {"rule": "node-perturbation", "critic": "privileged"},
    {"rule": "hebbian"},
    {"rule": "weight-perturbation"},
    {"rule": "evolution-strategies", "directions": 2},
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["rule"])
def test_training_goes_on_exactly_and_says_how_it_is_aligned(rule):
    one = learner(range(2), alignment=True, **rule)
    one.update()
    kept = one.state()
    other = learner(range(2), alignment=True, **rule)
    other.set_state(kept)
    for _ in range(2):
        mine, theirs = one.update(), other.update()
        assert set(mine) == set(theirs)
        for name, value in mine.items():
            torch.testing.assert_close(theirs[name], value, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(one.model.parameters, other.model.parameters)
    assert {"alignment", "alignment_time"} <= set(mine)
    if rule["rule"] == "readout":
        before = one.model.before_readouts()
        assert torch.equal(kept["weights"][:, before], one.model.parameters[:, before])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["rule"])
def test_members_learn_the_same_whoever_is_beside_them(rule):
    together, alone = learner(range(2), **rule), learner([1], **rule)
    for each in (together, alone):
        for _ in range(2):
            each.update()
    torch.testing.assert_close(
        together.model.parameters[1], alone.model.parameters[0], rtol=1e-4, atol=1e-5
    )


def test_bptt_is_aligned_with_itself_and_one_step_bridges_no_time():
    found = learner(range(2), alignment=True).update()
    for name in ("alignment", "alignment_time"):
        torch.testing.assert_close(found[name], torch.ones(2, dtype=torch.float64))
    found = learner(range(2), alignment=True, rule="truncated").update()
    assert bool((found["alignment"] < 0.9999).all())
    assert bool(found["alignment_time"].isnan().all())


def test_rules_work_with_actor_and_critic_apart_and_with_replay():
    network = NetworkConfig(hidden_size=8, layout="separate", core="gru")
    for more in ({}, {"replay": "uniform"}, {"replay": "uniform", "replay_steps": "separate"}):
        subject = learner(
            range(2), network=network, rule="eprop", feedback="adaptive", alignment=True, **more
        )
        subject.update()
        assert len(subject.rule.feedback.weights) == 2
        assert bool(subject.update()["gradient_norm"].isfinite().all())


def test_node_perturbation_is_the_gradient_on_average():
    """One step, one linear reading of it: E[R ξ zᵀ / σ²] is the gradient of E[R] by the weights."""
    units, sigma, batch = 4, 0.3, 40_000
    model = ActorCritic(2, 1, NetworkConfig(core="rnn", hidden_size=units), 1, plain=True)
    model.initialise([torch.Generator().manual_seed(0)])
    rule = RuleConfig(name="node-perturbation", perturbation=sigma)
    noisy = Perturbation(rule, model, [torch.Generator().manual_seed(1)])
    tapes = model.tapes(2, batch, every=True)
    noisy.begin(tapes)
    model.begin(tapes)
    for t in range(2):
        tapes[0].x_t[t].copy_(torch.tensor([[[0.5], [-1.0]]]).expand(1, 2, batch))
        model.step(tapes, t)
    reading = torch.tensor([1.0, -2.0, 0.5, 0.3])
    reward = (tapes[0].features[1, 0] @ reading) - (tapes[0].features[1, 0] @ reading).mean()
    gain = torch.stack([reward, reward])[:, None] / batch
    found = noisy.gradient(tapes, gain)[:, model.before_readouts()]
    parameters = model.parameters.requires_grad_()
    net = model.nets[0]
    tape = tapes[0]
    # the true gradient of the mean of the same reward, with the noise held
    features = []
    state = net.initial_state(batch)
    views = net.plain.views(parameters)
    for t in range(2):
        _, seen, state, _ = net.plain.disturbed(views, tape.x[t], state, tape.noise[t])
        features.append(seen)
    loss = -(features[1][0] @ reading).mean()
    (true,) = torch.autograd.grad(loss, parameters)
    true = true[:, model.before_readouts()]
    cosine = torch.cosine_similarity(found, true).item()
    scale = float(found.norm() / true.norm())
    assert cosine > 0.99
    assert 0.9 < scale < 1.1


def test_hebbian_takes_the_cube_of_each_product():
    """Three steps by hand: u_t less the running mean of those before, which begins at u_0."""
    model = ActorCritic(1, 1, NetworkConfig(core="rnn", hidden_size=1), 1, plain=True)
    model.set_parameters(torch.tensor([[0.5, 0.2, 0.1, 0.3, 0.0, 0.3, 0.0]]))
    rule = RuleConfig(name="hebbian")
    subject = Perturbation(rule, model, [torch.Generator().manual_seed(0)])
    tapes = model.tapes(3, 1, every=True)
    subject.begin(tapes)
    noise, gain = (0.4, -0.3, 0.2), (2.0, -1.0, 0.5)
    tapes[0].noise = torch.tensor(noise).view(3, 1, 1, 1)
    model.begin(tapes)
    h, drives, columns = 0.0, [], []
    for t, x in enumerate((1.0, -2.0, 0.5)):
        tapes[0].x_t[t].fill_(x)
        model.step(tapes, t)
        columns.append(torch.tensor([x, h, 1.0]))
        drives.append(float(torch.tensor([0.5, 0.2, 0.1]) @ columns[-1]) + noise[t])
        h = float(torch.tanh(torch.tensor(drives[-1])))
    before = [drives[0], drives[0], 0.05 * drives[0] + 0.95 * drives[1]]
    expected = -sum(gain[t] * ((drives[t] - before[t]) * columns[t]) ** 3 for t in range(3))
    found = subject.gradient(tapes, torch.tensor(gain).view(3, 1, 1))
    torch.testing.assert_close(found[0, :3], expected)
    assert not found[0, 3:].any()


def test_ranks_of_equal_returns_are_equal():
    ranks = _centred_ranks(torch.tensor([[3.0, 1.0, 1.0, 7.0, 2.0]]))
    torch.testing.assert_close(ranks, torch.tensor([[0.25, -0.375, -0.375, 0.5, 0.0]]))


@pytest.mark.parametrize("name", ["weight-perturbation", "evolution-strategies"])
def test_search_climbs_the_return_and_leaves_the_critic_alone(name):
    """The direction found for a return that is linear in one weight is that weight's."""
    model = ActorCritic(1, 2, NetworkConfig(hidden_size=2), 1)
    search = Search(RuleConfig(name=name, directions=200), model, [torch.Generator()])

    class Linear:
        """Candidates whose return is three times their first weight."""

        def __init__(self, count: int) -> None:
            self.model = model.like(count)

        def collect(self):
            first = self.model.parameters[:, 0]
            return type(
                "Played",
                (),
                {
                    "rewards": (3 * first).view(1, -1, 1),
                    "actions": torch.zeros(1, len(first), 1),
                    "mask": None,
                },
            )

    _, gradient = search.collect(Linear(search.candidates(400)))
    assert int(gradient.abs().argmax()) == 0
    assert float(gradient[0, 0]) < 0  # down the loss is up the return
    value = model.readouts(torch.arange(gradient.shape[1])[None])[-1][0, -1]
    assert not gradient[0, value].any()


@pytest.mark.parametrize(
    ("network", "rule", "said"),
    [
        ({"layout": "separate"}, {"rule": "node-perturbation"}, "one network"),
        ({"embedding_size": 3}, {"rule": "hebbian"}, "without embedding"),
        ({}, {"rule": "evolution-strategies", "directions": 3}, "multiples of 2 x directions, 6"),
    ],
)
def test_rules_that_a_network_cannot_have_say_why(network, rule, said):
    with pytest.raises(ConfigError, match=said):
        learner(network=NetworkConfig(hidden_size=8, **network), **rule)


def test_a_core_of_one_piece_cannot_be_disturbed_or_cut():
    from prefrontal.agents.networks.config import register_core
    from tests.agents.networks.test_cores import Hebbian  # a core without two halves

    register_core("one-piece", Hebbian)
    for rule in ("eprop", "node-perturbation", "hebbian"):
        with pytest.raises(ConfigError, match=r"does not say what that is|one matrix"):
            learner(network=NetworkConfig(core="one-piece", hidden_size=8), rule=rule)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule": "readout", "feedback": "random"},
        {"rule": "hebbian", "passes": 2},
        {"rule": "weight-perturbation", "replay": "uniform"},
        {"rule": "evolution-strategies", "critic": "privileged"},
        {"truncation": 0},
        {"feedback_decay": 1.0},
        {"rule_noise": 0.0},
        {"rule": "backprop"},
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong):
    with pytest.raises((ConfigError, ValueError)):
        a2c(**wrong)
