"""Leaky continuous-time rate units."""

from __future__ import annotations

import torch
from torch import Tensor

from prefrontal.agents.networks.cores import State
from prefrontal.agents.networks.cores.gated import OneMatrix


class Leaky(OneMatrix):
    """Continuous-time recurrent network in discrete steps: ``h_t = (1 - α) h_{t-1} + α tanh(u_t)``.

    ``u_t = W [x_t; h_{t-1}; 1]``, ``α = dt/τ`` (Murray 2019, eLife 8:e43299). With
    α = 1 it is the vanilla recurrent network.

    The gradient without the path ``h_{t-1} → u_t`` (e-prop) is here that of random feedback local
    online learning, with the traces ``p_ij ← (1 - α) p_ij + α tanh'(u_i) z_j``,
    ``z = [x_t; h_{t-1}; 1]`` (Murray 2019).

    Args:
        input_size: Inputs I a step.
        hidden_size: Units H.
        alpha: Share α of the new activity in a step, in (0, 1].

    Raises:
        ValueError: `alpha` is not in that range.
    """

    def __init__(self, input_size: int, hidden_size: int, alpha: float = 0.2) -> None:
        super().__init__(input_size, hidden_size)
        if not 0 < alpha <= 1:
            raise ValueError(f"alpha must be above 0 and at most 1, not {alpha}")
        self.alpha = alpha

    def advance(self, pre: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute features and state from ``u_t``."""
        h = torch.lerp(state[0], torch.tanh(pre), self.alpha)
        return h, (h,)
