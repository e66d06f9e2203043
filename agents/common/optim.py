"""Optimisers and schedules over flat parameters ``[P, n]``: every member has its own step.

`torch.optim` has one learning rate for a whole tensor and one global gradient norm; members of a
population need their own. The update rules are those of `torch.optim.Adam` and
`torch.optim.RMSprop` (tested to be equal).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from prefrontal.agents.common.errors import TrainingError

BETA_1, BETA_2 = 0.9, 0.999  # decay of Adam's first and second moment (Kingma & Ba 2015)
ALPHA = 0.99  # decay of RMSProp's second moment


def anneal(start: float, end: float, progress: Tensor) -> Tensor:
    """Return a number between `start` and `end`, linear in a progress from 0 to 1."""
    return start + (end - start) * progress.clamp(0.0, 1.0)


def clip_by_norm(gradient: Tensor, max_norm: float) -> Tensor:
    """Scale rows of ``[P, n]`` in place to norm `max_norm` at most; return the norms before."""
    norm = torch.linalg.vector_norm(gradient, dim=1)
    gradient.mul_((max_norm / (norm + 1e-6)).clamp_(max=1.0).unsqueeze(1))
    return norm


def clip_apart(gradient: Tensor, apart: Tensor | None, max_norm: float) -> Tensor:
    """Clip gradients ``[P, n]`` in place as `clip_by_norm`, some of them by a norm of their own.

    Args:
        gradient: ``[P, n]``.
        apart: Which those are, ``[n]`` of bool, so that they change nothing else; None: none.
        max_norm: Largest norm of either.

    Returns:
        The norm of the others, ``[P]``; not finite if that of those is not.
    """
    if apart is None:
        return clip_by_norm(gradient, max_norm)
    own = gradient[:, apart]
    gradient[:, apart] = 0
    norm = clip_by_norm(gradient, max_norm)
    norm = norm + 0 * clip_by_norm(own, max_norm)
    gradient[:, apart] = own
    return norm


def check_finite(norm: Tensor, members: Sequence[int], steps: Tensor) -> None:
    """Check the norms ``[P]`` of gradients.

    Raises:
        TrainingError: If one is not a number; names the members, and the environment step.
    """
    each = zip(members, norm.tolist(), strict=True)
    bad = [member for member, size in each if not math.isfinite(size)]
    if bad:
        raise TrainingError(
            f"the loss of member {', '.join(map(str, bad))} is not a number at step "
            f"{int(steps.max())}: try a smaller --learning-rate"
        )


class Optimiser:
    """Adam or RMSProp over ``[P, n]``.

    Args:
        like: Parameters, for shape, number type and device.
        rule: `adam` (Kingma & Ba 2015) or `rmsprop` (not centred, no momentum).
        epsilon: Added to the root of the second moment.
    """

    def __init__(self, like: Tensor, rule: Literal["adam", "rmsprop"], epsilon: float) -> None:
        self.rule, self.epsilon = rule, epsilon
        self.decay = BETA_2 if rule == "adam" else ALPHA
        self.count = 0
        self.first = torch.zeros_like(like)
        self.second = torch.zeros_like(like)

    def reset(self) -> None:
        """Forget all moments."""
        self.count = 0
        self.first.zero_()
        self.second.zero_()

    def clip(self, gradient: Tensor, max_norm: float) -> Tensor:
        """Scale gradients in place, see `clip_by_norm`."""
        return clip_by_norm(gradient, max_norm)

    def step(self, parameters: Tensor, gradient: Tensor, learning_rate: float | Tensor) -> None:
        """Update `parameters` in place.

        Args:
            parameters: ``[P, n]``.
            gradient: ``[P, n]``.
            learning_rate: One number, or one per member ``[P, 1]``.
        """
        self.count += 1
        self.second.mul_(self.decay).addcmul_(gradient, gradient, value=1 - self.decay)
        if self.rule == "adam":
            self.first.lerp_(gradient, 1 - BETA_1)
            correction = (1 - self.decay**self.count) ** 0.5
            root = self.second.sqrt().div_(correction).add_(self.epsilon)
            rate = learning_rate / (1 - BETA_1**self.count)
            parameters.sub_((self.first / root).mul_(rate))
        else:
            root = self.second.sqrt().add_(self.epsilon)
            parameters.sub_((gradient / root).mul_(learning_rate))

    def state(self) -> dict[str, Tensor]:
        """Return moments ``[P, n]`` and the step count ``[P]``."""
        count = torch.full((self.first.shape[0],), self.count, dtype=torch.int64)
        return {"first": self.first, "second": self.second, "count": count}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.first.copy_(state["first"])
        self.second.copy_(state["second"])
        self.count = int(state["count"][0])
