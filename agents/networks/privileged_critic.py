"""The asymmetric critic: a baseline that sees, in training only, what the agent must infer.

The baseline of a policy gradient may depend on anything but the action (Pinto et al. 2018). A critic that is told the
task (for a bandit, the arm probabilities) explains away the luck of the draw of tasks, which is most of the variance
of the learning signal. The agent's own value head, which models the dopamine system's prediction, is trained beside
it and is what every analysis reads; nothing of this critic is needed or used once training ends.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prefrontal.agents.common.optim import Optimiser, clip_by_norm
from prefrontal.agents.common.products import CACHE_LINE, blocks

__all__ = ["AsymmetricCritic"]


class AsymmetricCritic:
    """A two-layer perceptron per member: (hidden state, privileged features) → value.

    Args:
        hidden_size: Size H of the agent's hidden state (no gradient flows into it).
        privileged_size: Privileged features K.
        units: Units of the hidden layer.
        generators: One generator a member, for the initial weights.
        dtype: Number type.
        device: Where it lives.
    """

    def __init__(
        self,
        hidden_size: int,
        privileged_size: int,
        units: int,
        generators: list[torch.Generator],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.inputs, self.units = hidden_size + privileged_size + 1, units
        rows = []
        for g in generators:
            first = (2 * torch.rand(units, self.inputs, generator=g) - 1) * self.inputs**-0.5
            second = (2 * torch.rand(units + 1, generator=g) - 1) * units**-0.5
            rows.append(torch.cat([first.flatten(), second]))
        self.parameters = torch.stack(rows).to(device, dtype)
        self.optimiser = Optimiser(self.parameters, "adam", 1e-5)

    def features(self, hidden: Tensor, privileged: Tensor) -> Tensor:
        """``[P, H + K + 1, T * B]`` from hidden states ``[T, P, H, B]`` and privileged features ``[T, P, B, K]``."""
        both = torch.cat(
            [hidden, privileged.transpose(2, 3), torch.ones_like(hidden[:, :, :1])], dim=2
        )
        source = both.permute(1, 2, 0, 3)  # [P, H + K + 1, T, B]
        out = self._empty(source.shape[1], source.shape[2] * source.shape[3])
        out.unflatten(2, source.shape[2:]).copy_(source)
        return out

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Values ``[P, T * B]`` and the activations ``[P, units, T * B]`` that `fit` needs."""
        first, second = self._split(self.parameters)
        samples = features.shape[2]
        active = torch.bmm(first, features, out=self._empty(self.units, samples)).relu_()
        value = torch.bmm(second[:, :, :-1], active, out=self._empty(1, samples)).squeeze(1)
        return value + second[:, :, -1], active

    def fit(
        self,
        features: Tensor,
        targets: Tensor,
        weight: Tensor | float,
        learning_rate: float | Tensor,
        clip_norm: float,
    ) -> Tensor:
        """One optimiser step on the weighted mean squared error; returns that error per member, ``[P]``.

        Args:
            features: See `features`.
            targets: ``[P, T * B]``.
            weight: Weight of each sample, broadcastable to ``[P, T * B]``.
            learning_rate: Step size, one number or one per member ``[P, 1]``.
            clip_norm: Largest gradient norm per member.
        """
        value, active = self.forward(features)
        error = value - targets
        weighted = error * weight
        d_value = self._empty(1, error.shape[1])  # [P, 1, T * B]
        d_value.copy_((weighted * (2.0 / error.shape[1])).unsqueeze(1))
        gradient = torch.empty_like(self.parameters)
        d_first, d_second = self._split(gradient)
        _, second = self._split(self.parameters)
        d_second[:, :, :-1] = torch.bmm(d_value, active.transpose(1, 2))
        d_second[:, :, -1] = d_value.sum(2)
        d_active = self._empty(self.units, error.shape[1])
        torch.bmm(second[:, :, :-1].transpose(1, 2), d_value, out=d_active).mul_(active > 0)
        torch.bmm(d_active, features.transpose(1, 2), out=d_first)
        clip_by_norm(gradient, clip_norm)
        self.optimiser.step(self.parameters, gradient, learning_rate)
        return (weighted * error).mean(1)

    def _empty(self, rows: int, columns: int) -> Tensor:
        """An empty ``[P, rows, columns]`` in which products round each member alike."""
        like = self.parameters
        kind = {"dtype": like.dtype, "device": like.device}
        return blocks(1, len(like), rows, columns, kind, CACHE_LINE)[0]

    def _split(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        first, second = flat.split([self.units * self.inputs, self.units + 1], dim=1)
        return first.unflatten(1, (self.units, self.inputs)), second.unsqueeze(1)
