"""Perceptrons that read a belief: one for the actor, one for the critic, for P members, forward and backward by hand.

In the layout "belief" (the modular one) a core integrates what is seen into a belief, and two perceptrons compute policy
logits and value from it, sharing nothing but the belief.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from agents.cores import Tape, product

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
        layers = [
            torch.ones(steps, members, 2, units + 1, batch, **self.kind) for _ in self.shapes[:-2]
        ]
        pre = torch.empty(members, 2, units, batch, **self.kind)
        inner = [layer.flatten(1, 2) for layer in layers]  # [T, 2P, U + 1, B]
        tape.extra |= {
            "layers": layers,
            "layers_pre": [pre.flatten(1, 2)] + [pre.flatten(0, 1)] * (len(layers) - 1),
            "layers_in": [list(layer) for layer in inner],
            "layers_out": [list(layer[:, :, :-1]) for layer in inner],
            "layers_read": [step.unbind(1) for step in layers[-1]],
            "heads_split": [(heads[:, :-1], heads[:, -1:]) for heads in tape.extra["heads_t"]],
        }

    def forward(self, tape: Tape, t: int, belief: Tensor) -> Tensor:
        """Logits and value ``[P, K + 1, B]`` of step t, from ``[belief; 1]`` of ``[P, H + 1, B]``."""
        extra = tape.extra
        source = belief
        for layer, (weight, pre) in enumerate(zip(self.weights, extra["layers_pre"], strict=False)):
            product(weight.flatten(0, weight.dim() - 3), source, pre)
            out = extra["layers_out"][layer][t]
            if self.activation == "relu":
                torch.clamp_min(pre.view_as(out), 0.0, out=out)
            else:
                torch.tanh(pre.view_as(out), out=out)
            source = extra["layers_in"][layer][t]
        pairs = zip(extra["layers_read"][t], extra["heads_split"][t], strict=True)
        for weight, (source, out) in zip(self.weights[-2:], pairs, strict=True):
            product(weight, source, out)
        heads: Tensor = extra["heads_t"][t]
        return heads

    def backward(self, tape: Tape, d_heads: Tensor) -> tuple[Tensor, Tensor]:
        """From ``d loss / d heads [T, P, K + 1, B]`` to those of the belief ``[T, P, H, B]`` and the parameters ``[P, size]``."""
        steps, members, _, batch = d_heads.shape
        gradient = torch.empty(members, self.size, **self.kind)
        parts = self.split(gradient)
        active = [_by_member(layer[:steps]) for layer in tape.extra["layers"]]  # [P, 2, U + 1, TB]
        # OUTPUTS
        d_out = _by_member(d_heads)
        d_active = torch.empty(members, 2, self.units, steps * batch, **self.kind)
        for head, rows in enumerate((slice(None, -1), slice(-1, None))):
            torch.bmm(d_out[:, rows], active[-1][:, head].transpose(1, 2), out=parts[head - 2])
            weight = self.weights[head - 2][:, :, :-1]
            torch.bmm(weight.transpose(1, 2), d_out[:, rows], out=d_active[:, head])
        # HIDDEN LAYERS, the last first
        for layer in range(len(active) - 1, 0, -1):
            d_pre = self._slope(active[layer], d_active).flatten(0, 1)  # [2P, U, TB]
            source = active[layer - 1].flatten(0, 1)
            part = torch.bmm(d_pre, source.transpose(1, 2))
            parts[layer].copy_(part.view_as(parts[layer]))
            weight = self.weights[layer].flatten(0, 1)[:, :, :-1]
            d_active = torch.bmm(weight.transpose(1, 2), d_pre).view_as(d_active)
        # BELIEF
        d_pre = self._slope(active[0], d_active).flatten(1, 2)  # [P, 2U, TB]
        belief = _by_member(tape.z[1 : steps + 1, :, tape.x_t[0].shape[1] :])
        torch.bmm(d_pre, belief.transpose(1, 2), out=parts[0])
        d_belief = torch.bmm(self.weights[0][:, :, :-1].transpose(1, 2), d_pre)
        return d_belief.unflatten(2, (steps, batch)).permute(2, 0, 1, 3).contiguous(), gradient

    def _slope(self, active: Tensor, d_active: Tensor) -> Tensor:
        """Gradient before the activation, ``[P, 2, U, TB]``, overwriting the one after it."""
        units = active[:, :, :-1]
        if self.activation == "relu":
            return d_active.mul_(units > 0)
        return d_active.mul_((units * units).neg_().add_(1.0))


def _by_member(x: Tensor) -> Tensor:
    """``[T, P, ..., B]`` as ``[P, ..., T * B]``: one product for all steps."""
    return x.movedim(0, -2).contiguous().flatten(-2)
