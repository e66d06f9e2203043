"""Spiking units with adaptive thresholds."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from prefrontal.agents.networks.cores import State
from prefrontal.agents.networks.cores.gated import OneMatrix


def spike(excess: Tensor, damping: float) -> Tensor:
    """Return 1 where what exceeds the threshold is above 0, else 0, with a surrogate gradient.

    The derivative is taken to be ``ψ = γ max(0, 1 - |excess|)``, with damping γ (Bellec et al.
    2018, for a threshold of 1).
    """
    spikes = (excess > 0).to(excess.dtype)
    if not torch.is_grad_enabled():
        return spikes
    slope = (1 - excess.detach().abs()).clamp_min(0) * damping
    smooth = slope * excess  # adds its gradient, and nothing else
    return spikes + (smooth - smooth.detach())


class Spiking(OneMatrix):
    """Leaky integrate-and-fire units, a part of them with adaptive thresholds (LSNN).

    Bellec et al. 2018, NeurIPS 31; Bellec et al. 2020, Nature Communications 11:3625; here with a
    baseline threshold of 1. An environment step has K ticks; at each one::

        v ← λ v + W [x_t; s_{t-1}; 1]     membrane potential, λ = exp(-1 / (K τ_membrane))
        z = 1 if v > 1 + β a else 0       spike
        v ← v - z                         reset
        a ← ρ a + z                       adaptation, ρ = exp(-1 / (K τ_adaptation))
        y ← λ y + (1 - λ) z               filtered trace, which the heads read

    ``s`` is the share of ticks of a step in which a unit fired: spikes reach the others one
    environment step later (a synaptic delay), so what reaches a unit is constant within a step.
    Units without adaptation have β = 0. The gradient does not pass through the reset.

    Without the path ``s_{t-1} → W`` (e-prop) the gradient is, for K = 1, made of the traces
    ``z̄ ← λ z̄ + z``, ``e = ψ (z̄ - β ε)``, ``ε ← ψ z̄ + (ρ - ψ β) ε`` (Bellec et al. 2020).

    Args:
        input_size: Inputs I a step.
        hidden_size: Units H.
        adaptive: Share of units with adaptation, the last ones.
        beta: Rise β of the threshold by a spike; 0 is a network without adaptation.
        tau_adaptation: Time constant of adaptation, in environment steps.
        tau_membrane: Time constant of membrane and filtered trace, in environment steps.
        ticks: Ticks K of an environment step.
        damping: Height γ of the surrogate derivative.

    Raises:
        ValueError: A value is out of its range.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        adaptive: float = 0.5,
        beta: float = 0.3,
        tau_adaptation: float = 20.0,
        tau_membrane: float = 2.0,
        ticks: int = 2,
        damping: float = 0.3,
    ) -> None:
        super().__init__(input_size, hidden_size)
        if not 0 <= adaptive <= 1:
            raise ValueError(f"adaptive must be a share between 0 and 1, not {adaptive}")
        if beta < 0:
            raise ValueError(f"beta must be at least 0, not {beta}")
        times = {"tau_adaptation": tau_adaptation, "tau_membrane": tau_membrane}
        for name, value in (times | {"damping": damping}).items():
            if not value > 0:
                raise ValueError(f"{name} must be above 0, not {value}")
        if ticks < 1 or ticks != int(ticks):
            raise ValueError(f"ticks must be a whole number of at least 1, not {ticks}")
        self.adaptive, self.beta = round(adaptive * hidden_size), beta
        self.ticks, self.damping = int(ticks), damping
        self.keep = math.exp(-1 / (ticks * tau_membrane))
        self.keep_adaptation = math.exp(-1 / (ticks * tau_adaptation))

    def initialise(
        self, generator: torch.Generator, input_gain: float = 1.0, forget_bias: float = 1.0
    ) -> None:
        """Draw normal weights of variance 1/I from the inputs and 1/H from the units.

        Those from the inputs are multiplied by `input_gain`; the bias has variance 1/H.
        """
        with torch.no_grad():
            self.weight.copy_(torch.randn(self.weight.shape, generator=generator))
            self.weight[:, : self.inputs] *= input_gain * self.inputs**-0.5
            self.weight[:, self.inputs :] *= self.units**-0.5

    def initial_state(self, batch: int) -> State:
        """Return zeros: s, v, a, y ``[B, H]``; a stays 0 in units without adaptation."""
        return super().initial_state(batch) * 4

    def advance(self, pre: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute the ticks of a step from what reaches the units; the features are y."""
        _, v, a, y = state
        adapts = (torch.arange(self.units, device=v.device) >= self.units - self.adaptive).to(v)
        fired = torch.zeros_like(y)
        for _ in range(self.ticks):
            v = torch.add(pre, v, alpha=self.keep)
            z = spike(torch.sub(v, a, alpha=self.beta) - 1, self.damping)
            v = v - z.detach()
            a = torch.addcmul(self.keep_adaptation * a, adapts, z)
            y = torch.lerp(z, y, self.keep)
            fired = fired + z
        return y, (fired / self.ticks, v, a, y)
