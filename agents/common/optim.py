"""Optimisers over flat parameters ``[P, n]``: each member its own step, clip and (if wanted) learning rate.

`torch.optim` has one learning rate for a whole tensor and one global gradient norm; members of a population need
their own. The update rules are those of `torch.optim.Adam` and `torch.optim.RMSprop` (tested to be equal).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = ["Optimiser", "clip_by_norm"]


def clip_by_norm(gradient: Tensor, max_norm: float) -> Tensor:
    """Scales each row of ``[P, n]`` in place to norm `max_norm` at most; returns the norms before, ``[P]``."""
    norm = torch.linalg.vector_norm(gradient, dim=1)
    gradient.mul_((max_norm / (norm + 1e-6)).clamp_(max=1.0).unsqueeze(1))
    return norm


class Optimiser:
    """Adam or RMSProp over ``[P, n]``.

    Args:
        like: Parameters, for shape, number type and device.
        rule: `adam` (Kingma & Ba 2015) or `rmsprop` (not centred, no momentum).
        epsilon: Added to the root of the second moment.
        decay: Decay of the second moment; default .999 for Adam, .99 for RMSProp.
    """

    def __init__(
        self,
        like: Tensor,
        rule: Literal["adam", "rmsprop"],
        epsilon: float,
        decay: float | None = None,
    ) -> None:
        self.rule, self.epsilon = rule, epsilon
        self.decay = decay if decay is not None else (0.999 if rule == "adam" else 0.99)
        self.count = 0
        self.first = torch.zeros_like(like)
        self.second = torch.zeros_like(like)

    def step(self, parameters: Tensor, gradient: Tensor, learning_rate: float | Tensor) -> None:
        """Updates `parameters` in place.

        Args:
            parameters: ``[P, n]``.
            gradient: ``[P, n]``.
            learning_rate: One number, or one per member ``[P, 1]``.
        """
        self.count += 1
        self.second.mul_(self.decay).addcmul_(gradient, gradient, value=1 - self.decay)
        if self.rule == "adam":
            self.first.lerp_(gradient, 0.1)
            correction = (1 - self.decay**self.count) ** 0.5
            root = (self.second.sqrt() / correction).add_(self.epsilon)
            parameters.sub_((self.first / root).mul_(learning_rate / (1 - 0.9**self.count)))
        else:
            root = self.second.sqrt().add_(self.epsilon)
            parameters.sub_((gradient / root).mul_(learning_rate))

    def state(self) -> dict[str, Tensor]:
        """Moments ``[P, n]`` and the step count ``[P]``, one row a member."""
        count = torch.full((self.first.shape[0],), self.count, dtype=torch.int64)
        return {"first": self.first, "second": self.second, "count": count}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restores what `state` returned."""
        self.first.copy_(state["first"])
        self.second.copy_(state["second"])
        self.count = int(state["count"][0])
