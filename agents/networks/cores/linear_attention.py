"""Linear attention with the delta rule: fast weights (Schlag, Irie & Schmidhuber 2021)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prefrontal.agents.networks.cores import State, sized
from prefrontal.agents.networks.cores.attention import Layer, bounded, draw


def feature(x: Tensor) -> Tensor:
    """Return ``φ(x) = (elu(x) + 1) / Σ (elu(x) + 1)``: positive numbers of sum 1 (last axis)."""
    positive = F.elu(x) + 1
    return positive / positive.sum(-1, keepdim=True)


def delta_rule(
    fast: Tensor, q: Tensor, k: Tensor, v: Tensor, beta: Tensor
) -> tuple[Tensor, Tensor]:
    """Return ``S_t = S_{t-1} + β (v - S_{t-1} k) kᵀ`` and ``y = S_t q``.

    Args:
        fast: Fast weights ``S_{t-1} [..., d, d]``.
        q: Query ``[..., d]``.
        k: Key ``[..., d]``.
        v: Value ``[..., d]``.
        beta: Write strength β ``[..., 1]``.
    """
    error = beta * (v - (fast @ k.unsqueeze(-1)).squeeze(-1))
    fast = fast + error.unsqueeze(-1) * k.unsqueeze(-2)
    return fast, (fast @ q.unsqueeze(-1)).squeeze(-1)


class LinearAttention(nn.Module):
    """Attention without a softmax, whose memory is one matrix a head.

    Layers are those of `prefrontal.agents.networks.cores.attention`. In each of them queries, keys
    and values ``q, k, v = P LN(x)`` and the write strength ``β = σ(b·LN(x))`` are numbers of a
    head. The value that the fast weights S have for a key is replaced in part by a new one, and
    the query reads (`delta_rule`): ``S += β (v - S φ(k)) φ(k)ᵀ``, ``y = S φ(q)``. Keys and queries
    are made positive and of sum 1, ``φ(x) = (elu(x) + 1) / Σ`` (Schlag et al. 2021, sum
    normalisation, with the map of Katharopoulos et al. 2020), so that S stays bounded.

    The state is ``(S,)``, ``[B, layers, heads, d, d]``, d = H / heads rounded up. It is all weights
    and no activity: where the activity is reset at a trial, it stays.

    Args:
        input_size: Inputs I a step.
        hidden_size: Width H of the stream.
        layers: Layers.
        heads: Heads of each layer.

    Raises:
        ValueError: A number is below 1.
    """

    def __init__(self, input_size: int, hidden_size: int, layers: int = 1, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.size = sized("heads", heads), -(-hidden_size // heads)  # d
        mixed = heads * self.size
        self.embed = nn.Linear(input_size, hidden_size)
        self.layers = nn.ModuleList(
            Layer(hidden_size, 3 * mixed + heads, mixed) for _ in range(sized("layers", layers))
        )

    def initialise(
        self, generator: torch.Generator, input_gain: float = 1.0, forget_bias: float = 1.0
    ) -> None:
        """Draw the parameters, see `draw`; there are no forget gates."""
        draw(self, self.embed, generator, input_gain)

    def initial_state(self, batch: int) -> State:
        """Return fast weights of 0."""
        shape = batch, len(self.layers), self.heads, self.size, self.size
        return (self.embed.weight.new_zeros(shape),)

    def reset(self, state: State) -> State:
        """Return the fast weights, which persist."""
        return state

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute one step from inputs ``[B, I]``."""
        features, state = self._steps(x.unsqueeze(1), state)
        return features[:, 0], state

    def sequence(self, xs: Tensor, state: State | None) -> Tensor:
        """Map inputs ``[T, B, I]`` to features ``[T, B, H]``; no state: the initial one.

        Everything but the fast weights is computed for all steps at once.
        """
        state = self.initial_state(xs.shape[1]) if state is None else state
        return self._steps(xs.transpose(0, 1), state)[0].transpose(0, 1)

    def _steps(self, xs: Tensor, state: State) -> tuple[Tensor, State]:
        """Map inputs ``[B, T, I]`` to features ``[B, T, H]``, and to the state after them."""
        x, after = bounded(self.embed(xs)), []
        for index, layer in enumerate(self.layers):
            fast = state[0][:, index]

            def mix(projected: Tensor, fast: Tensor = fast) -> Tensor:
                *qkv, beta = projected.split([self.heads * self.size] * 3 + [self.heads], -1)
                q, k, v = (part.unflatten(-1, (self.heads, self.size)) for part in qkv)
                q, k, beta = feature(q), feature(k), torch.sigmoid(beta).unsqueeze(-1)
                read = []
                for t in range(xs.shape[1]):
                    fast, y = delta_rule(fast, q[:, t], k[:, t], v[:, t], beta[:, t])
                    read.append(y)
                after.append(fast)
                return torch.stack(read, 1).flatten(2)

            x = layer(x, mix)
        return x, (torch.stack(after, 1),)
