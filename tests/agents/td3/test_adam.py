"""Adam and the average in one pass, against `torch.optim.Adam`."""

import pytest
import torch

from prefrontal.agents.kernels.build import available
from prefrontal.agents.td3.adam import Adam

needs_compiler = pytest.mark.skipif(not available("stack"), reason="there is no C++ compiler here")


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=needs_compiler)])
def test_steps_are_those_of_pytorch(compiled):
    chance = torch.Generator().manual_seed(0)
    ours = torch.randn(2, 37, generator=chance)
    average = torch.randn(2, 37, generator=chance)
    theirs, followed = ours.clone().requires_grad_(), average.clone()
    adam, known = Adam(ours, 1e-4), torch.optim.Adam([theirs], eps=1e-4)
    adam.compiled = compiled
    for index in range(20):
        gradient = torch.randn(2, 37, generator=chance) * 10.0 ** (index % 3 - 2)
        rate = 0.01 / (index + 1)
        theirs.grad, known.param_groups[0]["lr"] = gradient, rate
        known.step()
        adam.gradient.copy_(gradient)
        if index % 2:
            adam.step(rate, average, 0.3)
            followed.lerp_(theirs.detach(), 0.3)
        else:
            adam.step(rate)
        torch.testing.assert_close(ours, theirs.detach(), atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(average, followed, atol=1e-6, rtol=1e-6)
    state = known.state[theirs]
    assert adam.tensors().keys() == state.keys()
    for name, value in adam.tensors().items():
        torch.testing.assert_close(value, state[name], atol=1e-7, rtol=1e-5)
