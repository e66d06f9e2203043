"""Rules that send errors back: hand-computed traces, the compiled LSTM, what each leaves out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.compiled import CompiledLSTM
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.plain import PlainNet
from prefrontal.agents.networks.vectorised import FULL, Credit
from prefrontal.agents.rules.config import RuleConfig
from prefrontal.agents.rules.credit import Feedback, credit_of

INPUTS, UNITS, OUTPUTS, MEMBERS, BATCH, STEPS = 3, 5, 4, 2, 3, 7


def played(net, dtype=torch.float64):
    """A network with weights, and a tape of random inputs that it has answered."""
    g = torch.Generator().manual_seed(0)
    net.set_parameters(torch.stack([net.initial(g) for _ in range(MEMBERS)]).to(dtype))
    tape = net.tape(STEPS, BATCH)
    net.begin(tape)
    for t in range(STEPS):
        tape.x_t[t].copy_(torch.randn(MEMBERS, INPUTS, BATCH, generator=g, dtype=torch.float64))
        net.step(tape, t)
    errors = torch.randn(STEPS, MEMBERS, OUTPUTS, BATCH, generator=g, dtype=torch.float64)
    return tape, errors.to(dtype)


def plain(core: str) -> PlainNet:
    config = NetworkConfig(core=core, hidden_size=UNITS)
    return PlainNet(INPUTS, OUTPUTS, config, MEMBERS, torch.float64)


def gradient(net, tape, errors: Tensor, credit: Credit) -> Tensor:
    """The gradient of Σ errors · read-outs by the ways that `credit` leaves."""
    parameters = net.parameters.clone().requires_grad_()
    (found,) = torch.autograd.grad(
        (net.attach(tape, parameters, credit) * errors).sum(), parameters
    )
    return found


def test_eprop_is_the_sum_of_learning_signals_times_eligibility_traces():
    """Bellec et al. (2020): e_t = ∂h_t/∂c_t ε_t, with ε_t = f_t ε_{t-1} + ∂c_t/∂W, all forward."""
    net = plain("lstm")
    tape, errors = played(net)
    found = net.plain.views(gradient(net, tape, errors, Credit("local")))["core.weight"]
    views = net.plain.views(net.parameters)
    for member in range(MEMBERS):
        weight, head = views["core.weight"][member], views["head.weight"][member]
        expected = torch.zeros_like(weight)
        for b in range(BATCH):
            h = c = torch.zeros(UNITS, dtype=torch.float64)
            trace = torch.zeros(4, UNITS, weight.shape[1], dtype=torch.float64)
            for t in range(STEPS):
                z = torch.cat([tape.x[t, member, b], h, torch.ones(1, dtype=torch.float64)])
                i, f, g, o = (weight @ z).chunk(4)
                i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
                into = [g * i * (1 - i), c * f * (1 - f), i * (1 - g * g), torch.zeros(UNITS)]
                trace = f[:, None] * trace + torch.stack(into)[:, :, None] * z
                c = f * c + i * g
                signal = head[:, :-1].T @ errors[t, member, :, b]  # L_t of each unit
                through = trace * (signal * o * (1 - c.tanh() ** 2))[:, None]
                direct = torch.zeros_like(trace)
                direct[3] = (signal * c.tanh() * o * (1 - o))[:, None] * z
                expected += (through + direct).flatten(0, 1)
                h = o * c.tanh()
        torch.testing.assert_close(found[member], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("core", ["lstm", "gru", "rnn"])
def test_what_each_way_leaves_out(core):
    net = plain(core)
    tape, errors = played(net)
    full = gradient(net, tape, errors, FULL)
    whole = gradient(net, tape, errors, Credit(truncate=STEPS))
    torch.testing.assert_close(whole, full)
    one, local = (gradient(net, tape, errors, c) for c in (Credit(truncate=1), Credit("local")))
    assert not torch.allclose(one, full)
    # Nothing stays in a vanilla unit: e-prop is then one-step truncation.
    assert torch.allclose(one, local) == (core == "rnn")
    none = net.plain.views(gradient(net, tape, errors, Credit("none")))
    assert not any(bool(part.any()) for name, part in none.items() if name != "head.weight")
    torch.testing.assert_close(none["head.weight"], net.plain.views(full)["head.weight"])


def test_truncation_cuts_between_chunks():
    """With k = 3 the gradient is that of chunks of three steps from the states before them."""
    net = plain("lstm")
    tape, errors = played(net)
    every = net.tape(STEPS, BATCH, every=True)
    net.begin(every)
    for t in range(STEPS):
        every.x_t[t].copy_(tape.x_t[t])
        net.step(every, t)
    expected = torch.zeros_like(net.parameters)
    for start in range(0, STEPS, 3):
        stop = min(start + 3, STEPS)
        part = net.tape(stop - start, BATCH)
        net.begin(part, net.state(every, start))
        for t in range(start, stop):
            part.x_t[t - start].copy_(tape.x_t[t])
            net.step(part, t - start)
        expected += gradient(net, part, errors[start:stop], FULL)
    torch.testing.assert_close(gradient(net, tape, errors, Credit(truncate=3)), expected)


def test_errors_reach_the_units_through_the_feedback():
    net = plain("rnn")
    tape, errors = played(net)
    feedback = torch.randn(MEMBERS, OUTPUTS, UNITS, dtype=torch.float64)
    found = gradient(net, tape, errors, Credit(feedback=feedback))
    swapped = net.parameters.clone()
    head = net.plain.views(swapped)["head.weight"]
    true_head = gradient(net, tape, errors, FULL)
    head[:, :, :-1] = feedback  # a network whose read-out is the feedback has these core gradients
    other = plain("rnn")
    other.set_parameters(swapped)
    views = (net.plain.views(x) for x in (found, gradient(other, tape, errors, FULL), true_head))
    mine, theirs, own = views
    torch.testing.assert_close(mine["core.weight"], theirs["core.weight"])
    torch.testing.assert_close(mine["head.weight"], own["head.weight"])


@pytest.mark.skipif(not available(), reason="no compiler")
@pytest.mark.parametrize(
    "credit",
    [
        FULL,
        Credit("local"),
        Credit("none"),
        Credit(truncate=1),
        Credit(truncate=3),
        Credit("local", 2, torch.randn(MEMBERS, OUTPUTS, UNITS)),
        Credit(feedback=torch.randn(MEMBERS, OUTPUTS, UNITS)),
    ],
)
def test_the_compiled_lstm_leaves_the_same_ways(credit):
    config = NetworkConfig(hidden_size=UNITS)
    fast = CompiledLSTM(INPUTS, OUTPUTS, config, MEMBERS)
    tape, errors = played(fast, torch.float32)
    slow = PlainNet(INPUTS, OUTPUTS, config, MEMBERS, torch.float64)
    other, _ = played(slow)
    wide = credit.feedback
    wide = Credit(credit.path, credit.truncate, None if wide is None else wide.double())
    expected = gradient(slow, other, errors.double(), wide)
    found = gradient(fast, tape, errors, credit)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


def test_adaptive_feedback_becomes_the_read_out():
    """Kolen & Pollack (1994): equal updates and decay; the difference dies out as (1 - d)^n."""
    rule = RuleConfig(name="eprop", feedback="adaptive", feedback_decay=0.1)
    model = ActorCritic(INPUTS, 2, NetworkConfig(hidden_size=UNITS), MEMBERS, torch.float64)
    model.initialise([torch.Generator().manual_seed(m) for m in range(MEMBERS)])
    feedback = Feedback(rule, model, [torch.Generator().manual_seed(9 + m) for m in range(MEMBERS)])
    apart = feedback.weights[0] - model.readouts(model.parameters)[0]
    for _ in range(20):
        before = model.parameters
        after = before + 0.1 * torch.randn_like(before)
        feedback.follow(before, after)
        model.set_parameters(after)
    left = feedback.weights[0] - model.readouts(model.parameters)[0]
    torch.testing.assert_close(left, apart * 0.9**20)
    assert bool((feedback.cosine() > 0.9).all())


def test_feedback_is_drawn_anew_only_where_that_is_the_rule():
    model = ActorCritic(INPUTS, 2, NetworkConfig(hidden_size=UNITS), 1)
    for kind, anew in (("random", False), ("redrawn", True)):
        rule = RuleConfig(name="eprop", feedback=kind)
        feedback = Feedback(rule, model, [torch.Generator().manual_seed(0)])
        first = feedback.weights[0].clone()
        feedback.begin()
        assert bool((feedback.weights[0] != first).all()) == anew
        assert float(feedback.weights[0].abs().max()) <= UNITS**-0.5


def test_names_of_rules_say_which_ways():
    assert credit_of(RuleConfig()) == FULL
    assert credit_of(RuleConfig(name="truncated", truncation=4)) == Credit(truncate=4)
    assert credit_of(RuleConfig(name="eprop")).path == "local"
    for name in ("readout", "node-perturbation", "evolution-strategies"):
        assert credit_of(RuleConfig(name=name)).path == "none"
