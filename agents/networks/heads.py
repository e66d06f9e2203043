"""Perceptrons that read a belief: one for the actor, one for the critic, for P members, forward and backward by hand.

In the layout "belief" (the modular one) a core integrates what is seen into a belief, and two perceptrons compute policy
logits and value from it, sharing nothing but the belief.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from prefrontal.agents.common.products import CACHE_LINE, blocks, product
from prefrontal.agents.networks.cores import Tape

__all__ = ["Activation", "Perceptrons"]

Activation = Literal["relu", "tanh"]


class Perceptrons:
    """Two perceptrons (actor, critic) of L hidden layers of U units each.

    Flat parameters ``[P, size]``: the first layer of both, ``[2U, H + 1]``; further ones, ``[2, U, U + 1]`` each; the outputs
    of the actor, ``[K, U + 1]``, and of the critic, ``[1, U + 1]``. The last column is the bias.

    Args:
        belief_size: Size H of the belief.
        num_actions: Actions K.
        units: Units U of a hidden layer.
        layers: Hidden layers L, at least 1.
        activation: Of the hidden layers.
        members: Number of members P.
        kind: Number type and device of tensors.
    """

    def __init__(
        self, belief_size: int, num_actions: int, units: int, layers: int, activation: Activation,
        members: int, kind: dict[str, Any],
    ) -> None:  # fmt: skip
        self.units, self.activation, self.kind = units, activation, kind
        self.shapes = [(2 * units, belief_size + 1), *[(2, units, units + 1)] * (layers - 1)]
        self.shapes += [(num_actions, units + 1), (1, units + 1)]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        self.size = sum(self.sizes)
        self.weights = [torch.empty(members, *shape, **kind) for shape in self.shapes]

    def initial_weight(self, generator: torch.Generator) -> Tensor:
        """Draws flat parameters ``[size]``: uniform in ±1/√n for n inputs of a layer (as `torch.nn.Linear`)."""
        parts = [
            (2 * torch.rand(size, generator=generator) - 1) * (shape[-1] - 1) ** -0.5
            for size, shape in zip(self.sizes, self.shapes, strict=True)
        ]
        return torch.cat(parts)

    def split(self, flat: Tensor) -> list[Tensor]:
        """Views of flat parameters ``[P, size]``, one a layer."""
        parts = flat.split(self.sizes, dim=1)
        return [part.unflatten(1, s) for part, s in zip(parts, self.shapes, strict=True)]

    def load(self, flat: Tensor) -> None:
        """Takes new parameters ``[P, size]``."""
        for weight, part in zip(self.weights, self.split(flat), strict=True):
            weight.copy_(part)

    def allocate(self, tape: Tape) -> None:
        """Adds the activations of the hidden layers, ``[T, P, 2, U + 1, B]`` each, to `tape`; their last row is one."""
        steps, members, batch, units = tape.steps, tape.members, tape.batch, self.units
        inner = [  # [T, 2P, U + 1, B]
            blocks(steps, 2 * members, units + 1, batch, self.kind, CACHE_LINE).fill_(1.0)
            for _ in self.shapes[:-2]
        ]
        layers = [layer.unflatten(1, (members, 2)) for layer in inner]
        first = blocks(1, members, 2 * units, batch, self.kind, CACHE_LINE)[0]
        other = blocks(1, 2 * members, units, batch, self.kind, CACHE_LINE)[0]
        apart = [first.unflatten(1, (2, units)), other.unflatten(0, (members, 2))]
        count = len(layers)
        tape.extra |= {
            "layers": layers,
            "layers_pre": list(
                zip(
                    [first, *[other] * (count - 1)],
                    apart[:1] + apart[1:] * (count - 1),
                    strict=True,
                )
            ),
            "layers_in": [list(layer) for layer in inner],
            "layers_out": [list(layer[:, :, :, :-1]) for layer in layers],
            "layers_read": [step.unbind(1) for step in layers[-1]],
            "heads_split": [(heads[:, :-1], heads[:, -1:]) for heads in tape.extra["heads_t"]],
        }

    def forward(self, tape: Tape, t: int, belief: Tensor) -> Tensor:
        """Logits and value ``[P, K + 1, B]`` of step t, from ``[belief; 1]`` of ``[P, H + 1, B]``."""
        extra = tape.extra
        source = belief
        for layer, (pre, apart) in enumerate(extra["layers_pre"]):
            weight = self.weights[layer]
            product(weight.flatten(0, weight.dim() - 3), source, pre)
            out = extra["layers_out"][layer][t]
            if self.activation == "relu":
                torch.clamp_min(apart, 0.0, out=out)
            else:
                torch.tanh(apart, out=out)
            source = extra["layers_in"][layer][t]
        pairs = zip(extra["layers_read"][t], extra["heads_split"][t], strict=True)
        for weight, (source, out) in zip(self.weights[-2:], pairs, strict=True):
            product(weight, source, out)
        heads: Tensor = extra["heads_t"][t]
        return heads

    def backward(self, tape: Tape, d_heads: Tensor) -> tuple[Tensor, Tensor]:
        """From ``d loss / d heads [T, P, K + 1, B]`` to those of the belief ``[T, P, H, B]`` and the parameters ``[P, size]``."""
        steps, members, _, batch = d_heads.shape
        size = (2, self.units)
        gradient = torch.empty(members, self.size, **self.kind)
        parts = self.split(gradient)
        active = [self._by_member(layer[:steps]) for layer in tape.extra["layers"]]
        # OUTPUTS
        d_out = self._by_member(d_heads)
        d_active = self._empty(2 * members, self.units, steps * batch).unflatten(0, (members, 2))
        for head, rows in enumerate((slice(None, -1), slice(-1, None))):
            torch.bmm(d_out[:, rows], active[-1][:, head].transpose(1, 2), out=parts[head - 2])
            weight = self.weights[head - 2][:, :, :-1]
            torch.bmm(weight.transpose(1, 2), d_out[:, rows], out=d_active[:, head])
        # HIDDEN LAYERS, the last first
        for layer in range(len(active) - 1, 0, -1):
            d_pre = self._slope(active[layer], d_active).flatten(0, 1)  # [2P, U, TB]
            part = torch.bmm(d_pre, active[layer - 1].flatten(0, 1).transpose(1, 2))
            parts[layer].copy_(part.view_as(parts[layer]))
            weight = self.weights[layer].flatten(0, 1)[:, :, :-1]
            d_active = self._empty(2 * members, self.units, steps * batch)
            torch.bmm(weight.transpose(1, 2), d_pre, out=d_active)
            d_active = d_active.unflatten(0, (members, 2))
        # BELIEF
        d_pre = self._empty(members, 2 * self.units, steps * batch)  # [P, 2U, TB]
        d_pre.unflatten(1, size).copy_(self._slope(active[0], d_active))
        belief = self._by_member(tape.z[1 : steps + 1, :, tape.x_t[0].shape[1] :])
        torch.bmm(d_pre, belief.transpose(1, 2), out=parts[0])
        d_belief = self._empty(members, belief.shape[1] - 1, steps * batch)
        torch.bmm(self.weights[0][:, :, :-1].transpose(1, 2), d_pre, out=d_belief)
        return d_belief.unflatten(2, (steps, batch)).permute(2, 0, 1, 3).contiguous(), gradient

    def _slope(self, active: Tensor, d_active: Tensor) -> Tensor:
        """Gradient before the activation, ``[P, 2, U, TB]``, overwriting the one after it."""
        units = active[:, :, :-1]
        if self.activation == "relu":
            return d_active.mul_(units > 0)
        return d_active.mul_((units * units).neg_().add_(1.0))

    def _empty(self, members: int, rows: int, columns: int) -> Tensor:
        return blocks(1, members, rows, columns, self.kind, CACHE_LINE)[0]

    def _by_member(self, x: Tensor) -> Tensor:
        """``[T, P, ..., B]`` as ``[P, ..., T * B]``: one product for all steps."""
        source = x.movedim(0, -2)  # [P, ..., T, B]
        leading, rows, (steps, batch) = source.shape[:-3], source.shape[-3], source.shape[-2:]
        out = self._empty(math.prod(leading), rows, steps * batch).unflatten(0, leading)
        out.unflatten(-1, (steps, batch)).copy_(source)
        return out
