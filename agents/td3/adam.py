"""Adam (Kingma & Ba 2015), and the average of the weights that target networks are, in one pass."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from prefrontal.agents.common.optim import BETA_1, BETA_2
from prefrontal.agents.kernels.build import available
from prefrontal.agents.td3.compiled import library


class Adam:
    """Adam over float32 parameters on the CPU.

    Args:
        parameters: Of any shape, contiguous; changed in place.
        epsilon: Added to the root of the second moment.

    Attributes:
        gradient: Where the gradient is written before a step; of the shape of the parameters.
    """

    def __init__(self, parameters: Tensor, epsilon: float) -> None:
        self.parameters, self.epsilon = parameters, epsilon
        self.gradient, self.first, self.second = (torch.zeros_like(parameters) for _ in range(3))
        self.count = torch.zeros((), dtype=torch.float32)
        self.compiled = available("stack")

    def step(self, learning_rate: float, average: Tensor | None = None, share: float = 0.0) -> None:
        """Step down the gradient.

        Args:
            learning_rate: Step size.
            average: Moved towards the parameters afterwards, in place, if given.
            share: By this share of the distance.
        """
        self.count += 1
        count = self.count.item()
        rate, root = learning_rate / (1 - BETA_1**count), (1 - BETA_2**count) ** -0.5
        own, *moments = self.parameters, self.gradient, self.first, self.second
        if self.compiled:
            places = (None if x is None else x.data_ptr() for x in (own, *moments, average))
            shares = (ctypes.c_double * 3)(1 - BETA_1, 1 - BETA_2, share)
            library("float").adam(own.numel(), *places, rate, root, self.epsilon, shares)
            return
        self.first.lerp_(self.gradient, 1 - BETA_1)
        self.second.mul_(BETA_2).addcmul_(self.gradient, self.gradient, value=1 - BETA_2)
        own.addcdiv_(self.first, self.second.sqrt().mul_(root).add_(self.epsilon), value=-rate)
        if average is not None:
            average.lerp_(own, share)

    def tensors(self) -> dict[str, Tensor]:
        """Return what a step changes, besides the parameters; names as in `torch.optim.Adam`."""
        return {"step": self.count, "exp_avg": self.first, "exp_avg_sq": self.second}
