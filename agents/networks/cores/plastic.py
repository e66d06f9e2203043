"""Weights that change within an episode, by Hebb's rule under the network's own control."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prefrontal.agents.networks.cores import State, uniform
from prefrontal.agents.networks.cores.gated import OneMatrix

RULES = ("none", "fixed", "modulated", "retroactive")


class Plastic(OneMatrix):
    """Recurrent network with plastic weights, as Miconi et al. (2018, 2019).

    ``h_t = tanh(W [x_t; h_{t-1}; 1] + (α ∘ H_{t-1}) h_{t-1})``. W and α are learned by gradient
    descent; the Hebbian trace H ``[H, H]`` begins at 0 in every episode. `plasticity` says how it
    changes:

    - ``fixed``: ``H_t = clip(H_{t-1} + η h_t h_{t-1}ᵀ)``, differentiable plasticity (Miconi et al.
      2018);
    - ``modulated``: ``H_t = clip(H_{t-1} + M_t h_t h_{t-1}ᵀ)``, simple neuromodulation
      (Backpropamine, Miconi et al. 2019);
    - ``retroactive``: ``H_t = clip(H_{t-1} + M_t E_{t-1})``, ``E_t = (1 - η) E_{t-1} + η h_t
      h_{t-1}ᵀ``, retroactive neuromodulation of an eligibility trace E (Miconi et al. 2019);
    - ``none``: no H, α = 0: a vanilla recurrent network, as a control.

    The modulation is one number, ``M_t = tanh(m · [h_t; 1])``. η and m are learned.

    Without the path through the weights (e-prop) no credit passes from one step to another: H acts
    through them alone.

    Where activity is reset at the start of a trial, h and E are, and H is kept (as in Miconi & Kay
    2025, Nature Neuroscience 28:406).

    Args:
        input_size: Inputs I a step.
        hidden_size: Units H.
        plasticity: By which rule H changes.
        alpha: Largest initial α; they are drawn uniformly from 0 to `alpha` (published in 2025:
            ±.01). With one sign, what a unit gets through H is at first a weighted similarity of
            present and past activity; with both, similarities cancel.
        eta: Initial η (published in 2025: .7).
        clip: Largest size of the numbers in H (published: 1; in 2025 50).

    Raises:
        ValueError: A value is out of its range.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        plasticity: str = "modulated",
        alpha: float = 0.1,
        eta: float = 0.7,
        clip: float = 5.0,
    ) -> None:
        super().__init__(input_size, hidden_size)
        if plasticity not in RULES:
            raise ValueError(f"plasticity must be one of {', '.join(RULES)}, not {plasticity!r}")
        for name, value in {"alpha": alpha, "eta": eta, "clip": clip}.items():
            if not value > 0:
                raise ValueError(f"{name} must be above 0, not {value}")
        self.plasticity, self.clip, self.scale = plasticity, clip, alpha
        if plasticity != "none":
            self.alpha = nn.Parameter(torch.zeros(hidden_size, hidden_size))
        if plasticity in ("fixed", "retroactive"):
            self.eta = nn.Parameter(torch.tensor(float(eta)))
        if plasticity in ("modulated", "retroactive"):
            self.modulator = nn.Parameter(torch.zeros(hidden_size + 1))

    def initialise(
        self, generator: torch.Generator, input_gain: float = 1.0, forget_bias: float = 1.0
    ) -> None:
        """Draw weights as any core of one matrix; α from 0 to alpha, the modulator in ±1/√H."""
        super().initialise(generator, input_gain)
        with torch.no_grad():
            if self.plasticity != "none":
                drawn = torch.rand(self.alpha.shape, generator=generator)
                self.alpha.copy_(drawn * self.scale)
            if self.plasticity in ("modulated", "retroactive"):
                uniform(self.modulator, self.units, generator)

    def initial_state(self, batch: int) -> State:
        """Return zeros: h ``[B, H]``, and where there are any H and E ``[B, H, H]``."""
        h = self.weight.new_zeros(batch, self.units)
        traces = {"none": 0, "retroactive": 2}.get(self.plasticity, 1)
        return (h, *(h.new_zeros(batch, self.units, self.units) for _ in range(traces)))

    def reset(self, state: State) -> State:
        """Return the state with h and E at 0, and H as it is."""
        return tuple(part if k == 1 else torch.zeros_like(part) for k, part in enumerate(state))

    def modulation(self, h: Tensor) -> Tensor:
        """Return ``M_t`` ``[...]`` of features ``[..., H]``."""
        return torch.tanh(F.linear(h, self.modulator[:-1]) + self.modulator[-1])

    def drive(self, x: Tensor, state: State) -> Tensor:
        """Return what reaches the units, through plastic weights too, ``[B, H]``."""
        reaching = super().drive(x, state)
        if self.plasticity == "none":
            return reaching
        h, hebb = state[:2]
        return reaching + (self.alpha * hebb * h.unsqueeze(1)).sum(2)

    def advance(self, pre: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute activity, which are the features, and plastic weights."""
        new = torch.tanh(pre)
        if self.plasticity == "none":
            return new, (new,)
        h, hebb = state[:2]
        before, after = h.unsqueeze(1), new.unsqueeze(2)
        if self.plasticity == "fixed":
            return new, (new, self._clipped(torch.addcmul(hebb, self.eta * after, before)))
        gate = self.modulation(new)[:, None, None]
        if self.plasticity == "modulated":
            return new, (new, self._clipped(torch.addcmul(hebb, gate * after, before)))
        trace = state[2]
        hebb = self._clipped(torch.addcmul(hebb, gate, trace))
        return new, (new, hebb, torch.addcmul((1 - self.eta) * trace, self.eta * after, before))

    def _clipped(self, hebb: Tensor) -> Tensor:
        return hebb.clamp(-self.clip, self.clip)
