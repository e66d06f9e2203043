"""The network of a life: an optional linear embedding, an LSTM, a value and a policy head; weights of each individual its own.

Weights are flat vectors ``[L, n]``, stored input by output and module by module, so that a module is a slice: what genetic
crossover exchanges. The architecture is that of the NeuroAI course (W2D4 tutorial 4); without the embedding it is that of
`prefrontal.agents.networks.actor_critic`, and with it, it is exported to that exactly: a linear layer before an LSTM is part of its input weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["LifetimeNet"]


class LifetimeNet:
    """Shapes, initial weights and one step of L networks side by side.

    Args:
        inputs: Numbers I an input has.
        embedding: Units E of the linear layer before the LSTM; 0: none.
        hidden: LSTM units H.
        actions: Actions A.

    Attributes:
        size: Weights n of one network.
        modules: Slice of each module's weights: `embedding`, `lstm`, `critic`, `actor`.
    """

    def __init__(self, inputs: int, embedding: int, hidden: int, actions: int) -> None:
        self.inputs, self.embedding, self.hidden, self.actions = inputs, embedding, hidden, actions
        into = embedding or inputs
        sizes = {
            "embedding": (inputs + 1) * embedding,
            "lstm": (into + hidden + 2) * 4 * hidden,
            "critic": hidden + 1,
            "actor": (hidden + 1) * actions,
        }
        self.modules: dict[str, slice] = {}
        start = 0
        for name, size in sizes.items():
            if size:
                self.modules[name] = slice(start, start + size)
            start += size
        self.size = start

    def parts(self, weights: Tensor) -> dict[str, Tensor]:
        """Views of flat weights ``[L, n]``: matrices ``[L, in, out]`` and biases ``[L, out]``."""
        inputs, embedding, hidden, actions = self.inputs, self.embedding, self.hidden, self.actions
        into, gates = embedding or inputs, 4 * hidden
        shapes = {
            "embed": (inputs, embedding), "embed_bias": (embedding,), "input": (into, gates),
            "state": (hidden, gates), "input_bias": (gates,), "state_bias": (gates,), "value": (hidden, 1),
            "value_bias": (1,), "policy": (hidden, actions), "policy_bias": (actions,),
        }  # fmt: skip
        sizes = [int(torch.tensor(shape).prod()) for shape in shapes.values()]
        pieces = weights.split(sizes, dim=1)
        return {
            name: piece.reshape(len(weights), *shape)
            for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
        }

    def initial(self, count: int, generator: torch.Generator) -> Tensor:
        """Newborn weights ``[count, n]``, uniform as PyTorch draws them: ±1/√(inputs of the layer), LSTM ±1/√H."""
        weights = 2 * torch.rand(count, self.size, generator=generator) - 1
        fan = {"embed": self.inputs}
        for name, part in self.parts(weights).items():
            part.mul_(fan.get(name.removesuffix("_bias"), self.hidden) ** -0.5)
        return weights

    def begin(self, lives: int, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden and cell state ``[L, B, H]`` at the start of an episode."""
        zero = like.new_zeros(lives, batch, self.hidden)
        return zero, zero

    def step(
        self, weights: Tensor, x: Tensor, memory: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """One step of B episodes each.

        Args:
            weights: ``[L, n]``.
            x: Inputs ``[L, B, I]``.
            memory: Hidden and cell state ``[L, B, H]``.

        Returns:
            Logits ``[L, B, A]``, values ``[L, B]`` and the next state.
        """
        w = self.parts(weights)
        if self.embedding:
            x = torch.baddbmm(w["embed_bias"][:, None], x, w["embed"])
        gates = torch.baddbmm((w["input_bias"] + w["state_bias"])[:, None], x, w["input"])
        i, f, g, o = torch.baddbmm(gates, memory[0], w["state"]).chunk(4, 2)
        cell = f.sigmoid() * memory[1] + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        value = torch.baddbmm(w["value_bias"][:, None], hidden, w["value"]).squeeze(2)
        logits = torch.baddbmm(w["policy_bias"][:, None], hidden, w["policy"])
        return logits, value, (hidden, cell)

    def exported(self, weights: Tensor) -> Tensor:
        """The same networks as parameters of `prefrontal.agents.networks.actor_critic.ActorCritic` (LSTM, shared layout), ``[L, m]``.

        Each LSTM row is its weights from the input, from the state, and its bias; then the policy's rows and the value's,
        with their biases.
        """
        w = self.parts(weights.double())
        matrix, bias = w["input"], w["input_bias"] + w["state_bias"]
        if self.embedding:
            bias = bias + torch.bmm(w["embed_bias"][:, None], matrix).squeeze(1)
            matrix = torch.bmm(w["embed"], matrix)
        core = torch.cat([matrix, w["state"], bias[:, None]], 1).transpose(1, 2)
        heads = [
            torch.cat([w[name], w[f"{name}_bias"][:, None]], 1).transpose(1, 2)
            for name in ("policy", "value")
        ]
        return torch.cat([core.flatten(1), *(head.flatten(1) for head in heads)], 1).float()

    def imported(self, parameters: Tensor) -> Tensor:
        """The inverse of `exported`, for networks without embedding; the bias goes to the first of two."""
        hidden, actions, width = self.hidden, self.actions, self.inputs + self.hidden + 1
        rows, heads = parameters.split([4 * hidden * width, (actions + 1) * (hidden + 1)], dim=1)
        rows = rows.unflatten(1, (4 * hidden, width)).transpose(1, 2)
        matrix, bias = rows[:, :-1].flatten(1), rows[:, -1]
        policy, value = heads.unflatten(1, (actions + 1, hidden + 1)).split([actions, 1], dim=1)
        policy = policy.transpose(1, 2).flatten(1)
        return torch.cat([matrix, bias, torch.zeros_like(bias), value[:, 0], policy], dim=1)
