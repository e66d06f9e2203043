"""How far an update goes where back-propagation through time would go."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from prefrontal.agents.networks.vectorised import FULL, Credit

Gradient = Callable[[Credit], Tensor]
ONE_STEP = Credit(truncate=1)


def alignment(update: Tensor, one_step: Tensor | None, gradient: Gradient) -> dict[str, Tensor]:
    """Return cosines with the gradient of back-propagation through time (BPTT), ``[P]`` each.

    `alignment` is that of the whole update. `alignment_time` is that of the part that bridges time:
    an update less that of the same rule without credit through time, against BPTT's gradient less
    BPTT's of one step; of a rule without such a form, the whole update is compared. It is NaN where
    either is zero. A cosine describes an update; it does not say how well a rule learns.

    Args:
        update: The gradient by the rule, of parameters before the read-outs, ``[P, m]``.
        one_step: That of the rule with the way through time cut at every step, if it has one.
        gradient: From `Credit` to the gradient of the same loss on the same episodes, ``[P, m]``.
    """
    true, instantaneous = gradient(FULL), gradient(ONE_STEP)
    bridging = update if one_step is None else update - one_step
    return {
        "alignment": _cosine(update, true),
        "alignment_time": _cosine(bridging, true - instantaneous),
    }


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return cosines of rows ``[P, m]``; NaN where a row is zero."""
    size = torch.linalg.vector_norm(a, dim=1) * torch.linalg.vector_norm(b, dim=1)
    return torch.where(size > 0, (a * b).sum(1) / size, torch.nan)
