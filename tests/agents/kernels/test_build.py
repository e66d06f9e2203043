"""The compiled LSTM computes what the PyTorch one does, each member alike whoever is beside it."""

from __future__ import annotations

import subprocess
import sys
from typing import Literal

import pytest
import torch
from torch import Tensor

from prefrontal.agents.kernels import build as kernel
from prefrontal.agents.networks.actor_critic import BeliefNet, NetworkConfig, RecurrentNet

needs_compiler = pytest.mark.skipif(not kernel.available(), reason="there is no C++ compiler here")


def make(
    members: int,
    inputs: int,
    outputs: int,
    hidden: int,
    learned: bool,
    compiled: bool,
    layout: Literal["shared", "belief"] = "shared",
) -> RecurrentNet:
    config = NetworkConfig(
        hidden_size=hidden, learned_initial_state=learned, layout=layout, head_layers=2
    )
    kind = BeliefNet if layout == "belief" else RecurrentNet
    net = kind(inputs, outputs, config, members)
    net.compiled = compiled
    for member in range(members):
        net.initialise(member, torch.Generator().manual_seed(member))
    if learned:
        generator = torch.Generator().manual_seed(9)
        for member in range(members):
            net.parameters[member, -net.sizes[2] :] = torch.randn(net.sizes[2], generator=generator)
        net.refresh()
    return net


def play(net: RecurrentNet, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Read-outs, hidden states and gradient of a squared error, for inputs ``[T, P, I, B]``."""
    tape = net.tape(x.shape[0], x.shape[3])
    for t, inputs in enumerate(x):
        tape.x_t[t].copy_(inputs)
    net.unroll(tape)
    parameters = net.parameters.clone().requires_grad_()
    loss = (net.attach(tape, parameters) - target).square().sum()
    (gradient,) = torch.autograd.grad(loss, parameters)
    return tape.extra["heads"].clone(), tape.hidden().clone(), gradient


@needs_compiler
@pytest.mark.parametrize("layout", ["shared", "belief"])
@pytest.mark.parametrize(("members", "batch", "inputs", "outputs", "hidden", "learned"), [
    (1, 16, 5, 3, 48, False), (3, 32, 5, 3, 48, True), (2, 7, 1, 2, 6, True), (1, 33, 4, 12, 17, False),
    (2, 1, 3, 2, 48, False), (1, 256, 5, 3, 48, False),
])  # fmt: skip
def test_equals_the_torch_one(
    members: int, batch: int, inputs: int, outputs: int, hidden: int, learned: bool,
    layout: Literal["shared", "belief"],
) -> None:  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(11, members, inputs, batch, generator=generator)
    target = torch.randn(11, members, outputs, batch, generator=generator)
    ours = play(make(members, inputs, outputs, hidden, learned, True, layout), x, target)
    theirs = play(make(members, inputs, outputs, hidden, learned, False, layout), x, target)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max()))


@needs_compiler
@pytest.mark.parametrize("layout", ["shared", "belief"])
@pytest.mark.parametrize("batch", [5, 16, 40])
def test_members_do_not_depend_on_each_other(
    batch: int, layout: Literal["shared", "belief"]
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(9, 3, 4, batch, generator=generator)
    target = torch.randn(9, 3, 2, batch, generator=generator)
    net = make(3, 4, 2, 48, True, True, layout)
    together = play(net, x, target)
    for member in range(3):
        one = make(1, 4, 2, 48, True, True, layout)
        one.parameters.copy_(net.parameters[member : member + 1])
        one.refresh()
        alone = play(one, x[:, member : member + 1], target[:, member : member + 1])
        assert torch.equal(alone[0][:, 0], together[0][:, member])
        assert torch.equal(alone[1][:, 0], together[1][:, member])
        assert torch.equal(alone[2][0], together[2][member])


@needs_compiler
def test_choices_are_the_largest_noisy_logits() -> None:
    net = make(2, 3, 4, 8, False, True)
    tape = net.tape(1, 21)
    tape.x_t[0].normal_(generator=torch.Generator().manual_seed(1))
    net.unroll(tape)
    noise = torch.randn(2, 5, 3, 21, generator=torch.Generator().manual_seed(2)).unbind(1)[3]
    actions = torch.empty(2, 21, dtype=torch.int64)
    tape.extra["compiled"].choose(0, 3, noise, actions)
    assert torch.equal(actions, (tape.extra["heads"][0][:, :3] + noise).argmax(1))


def test_without_a_compiler_says_so_and_goes_on(tmp_path: object) -> None:
    script = (
        "import warnings\nwith warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n    from prefrontal.agents.kernels import build as kernel\n    print(kernel.available())\n"
        "print(*[str(w.message) for w in seen if 'LSTM' in str(w.message)])"
    )
    environment = {
        "PATH": "",
        "CXX": "",
        "XDG_CACHE_HOME": str(tmp_path),
        "PYTHONPATH": ":".join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(
        "False\nthe LSTM runs in PyTorch, about three times slower: there is no C++ compiler"
    )
    environment["PREFRONTAL_KERNEL"] = "torch"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n\n"
