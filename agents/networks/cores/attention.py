"""Causal self-attention with gated residuals (GTrXL), keys and values cached while playing.

Sources: Vaswani et al. (2017), Parisotto et al. (2020), Press et al. (2022).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from prefrontal.agents.networks.cores import State, sized, uniform

LARGEST = 10.0  # root mean square of an embedded step


def bounded(x: Tensor) -> Tensor:
    """Return embedded steps ``[..., H]``, those of a root mean square above `LARGEST` cut to it.

    A stream adds up what it is given. Without a bound, agents whose actions have none and that are
    shown their last action or its reward would run away.
    """
    size = (x.square().mean(-1, keepdim=True) + 1e-12).sqrt()
    return x * (LARGEST / size).clamp(max=1.0)


class Gate(nn.Module):
    """Gated residual of GTrXL (Parisotto et al. 2020), in the place of ``x + y``.

    ``r = σ(W_r y + U_r x)``, ``z = σ(W_z y + U_z x - b)``, ``h = tanh(W_h y + U_h (r ⊙ x))``, and
    ``(1 - z) ⊙ x + z ⊙ h``. The bias b is 2 at the start, so that nearly x itself is passed on: the
    first policy is one of the present input.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.from_y = nn.Linear(units, 3 * units, bias=False)  # r, z, h
        self.from_x = nn.Linear(units, 2 * units, bias=False)  # r, z
        self.from_reset = nn.Linear(units, units, bias=False)
        self.bias = nn.Parameter(torch.full((units,), 2.0))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map the stream `x` and what is added to it, ``[..., H]``, to the stream."""
        r, z, h = self.from_y(y).chunk(3, -1)
        r_x, z_x = self.from_x(x).chunk(2, -1)
        h = torch.tanh(h + self.from_reset(torch.sigmoid(r + r_x) * x))
        return torch.lerp(x, h, torch.sigmoid(z + z_x - self.bias))


class Layer(nn.Module):
    """A layer of GTrXL: what mixes time, then a perceptron, each in a gated residual.

    ``y = ReLU(O mix(P LN(x)))``, ``x = gate(x, y)``, ``y = ReLU(MLP(LN(x)))``, ``x = gate(x, y)``:
    layers are normalised on the way into a submodule only, so that the stream passes unchanged. The
    perceptron has one hidden layer of 2H rectified units.

    Args:
        units: Width H of the stream.
        projected: Numbers a step that are mixed over time.
        mixed: Numbers a step that come of it.
    """

    def __init__(self, units: int, projected: int, mixed: int) -> None:
        super().__init__()
        self.before_mixing, self.before_mlp = nn.LayerNorm(units), nn.LayerNorm(units)
        self.project = nn.Linear(units, projected, bias=False)
        self.output = nn.Linear(mixed, units)
        self.mlp = nn.Sequential(
            nn.Linear(units, 2 * units), nn.ReLU(), nn.Linear(2 * units, units)
        )
        self.first, self.second = Gate(units), Gate(units)

    def forward(self, x: Tensor, mix: Callable[[Tensor], Tensor]) -> Tensor:
        """Map the stream ``[B, T, H]`` to the stream; `mix` maps projected to mixed numbers."""
        mixed = mix(self.project(self.before_mixing(x)))
        x = self.first(x, torch.relu(self.output(mixed)))
        return self.second(x, torch.relu(self.mlp(self.before_mlp(x))))


def draw(core: nn.Module, embedding: nn.Linear, generator: torch.Generator, gain: float) -> None:
    """Draw all matrices of a core uniformly in ±1/√(columns), and set their biases to 0.

    Those of the embedding of the inputs are multiplied by `gain`.
    """
    with torch.no_grad():
        for module in core.modules():
            if isinstance(module, nn.Linear):
                uniform(module.weight, module.in_features, generator)
                if module.bias is not None:
                    module.bias.zero_()
        embedding.weight *= gain


class Attention(nn.Module):
    """Causal multi-head attention over the last `memory` steps, the present one among them.

    A step is embedded linearly (and `bounded`); in every layer (`Layer`) queries, keys and values
    ``q, k, v = P LN(x)`` are mixed head by head, ``y_t = Σ_s softmax_s(q_t·k_s / √d - m (t - s))
    v_s`` over ``t - memory < s ≤ t``. Without positions m is 0, and a layer knows its past as a
    set: with one layer the order of the steps before the present one does not matter. With
    ``alibi`` (Press et al. 2022) the slope of head h of H is ``m = 2^(-8 h / H)``. Both hold for
    contexts longer than those of training. A set's size can be read off the weight that its first
    step gets, which no previous action marks.

    The state is keys and values of every layer ``[B, heads, memory, d]``, the newest step last, and
    ``filled [B, 1]``: how many steps are there. A longer episode loses the oldest.

    Args:
        input_size: Inputs I a step.
        hidden_size: Width H of the stream; a head has d = H / heads numbers, rounded up.
        layers: Layers.
        heads: Heads of each layer.
        memory: Steps that are attended to.
        positions: ``none`` or ``alibi``.

    Raises:
        ValueError: A number is below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        layers: int = 1,
        heads: int = 2,
        memory: int = 100,
        positions: Literal["none", "alibi"] = "none",
    ) -> None:
        super().__init__()
        self.heads, self.memory = sized("heads", heads), sized("memory", memory)
        self.positions = positions
        self.size = -(-hidden_size // heads)  # d
        mixed = heads * self.size
        self.embed = nn.Linear(input_size, hidden_size)
        self.layers = nn.ModuleList(
            Layer(hidden_size, 3 * mixed, mixed) for _ in range(sized("layers", layers))
        )

    def initialise(
        self, generator: torch.Generator, input_gain: float = 1.0, forget_bias: float = 1.0
    ) -> None:
        """Draw the parameters, see `draw`; there are no forget gates."""
        draw(self, self.embed, generator, input_gain)

    def initial_state(self, batch: int) -> State:
        """Return an empty cache."""
        like = self.embed.weight
        cache = like.new_zeros(batch, self.heads, self.memory, self.size)
        return (*[cache] * (2 * len(self.layers)), like.new_zeros(batch, 1))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute one step from inputs ``[B, I]``."""
        features, cache = self._steps(x.unsqueeze(1), state)
        return features[:, 0], (*cache, (state[-1] + 1).clamp(max=self.memory))

    def sequence(self, xs: Tensor, state: State | None) -> Tensor:
        """Map inputs ``[T, B, I]`` to features ``[T, B, H]`` at once; no state: the initial one."""
        return self._steps(xs.transpose(0, 1), state)[0].transpose(0, 1)

    def _steps(self, xs: Tensor, state: State | None) -> tuple[Tensor, list[Tensor]]:
        """Map inputs ``[B, T, I]`` to features ``[B, T, H]``; return keys and values too."""
        x, kept = bounded(self.embed(xs)), list[Tensor]()
        if state is None:  # a cache without room
            empty = x.new_zeros(x.shape[0], self.heads, 1, self.size)
            state = (*[empty] * (2 * len(self.layers)), x.new_zeros(x.shape[0], 1))
        bias = self._bias(xs.shape[1], state[0].shape[2] - 1, state[-1])
        for index, layer in enumerate(self.layers):
            cache = state[2 * index : 2 * index + 2]

            def mix(projected: Tensor, cache: State = cache) -> Tensor:
                q, *new = (
                    part.unflatten(-1, (self.heads, self.size)).transpose(1, 2)
                    for part in projected.chunk(3, -1)
                )  # [B, heads, T, d]
                # No step attends to what was the oldest before it.
                k, v = (torch.cat([a[:, :, 1:], b], 2) for a, b in zip(cache, new, strict=True))
                kept.extend((k, v))
                scores = (q * self.size**-0.5) @ k.transpose(2, 3) + bias
                return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)

            x = layer(x, mix)
        return x, kept

    def _bias(self, steps: int, cached: int, filled: Tensor) -> Tensor:
        """Return what is added to scores ``[B, heads or 1, T, S]``: -inf where nothing is seen."""
        s = torch.arange(cached + steps, device=filled.device)
        lag = s[cached:, None] - s  # [T, S]
        seen = (lag >= 0) & (lag < self.memory) & (s >= cached - filled.unsqueeze(2))
        bias = torch.zeros_like(filled).unsqueeze(2).masked_fill(~seen, -torch.inf).unsqueeze(1)
        if self.positions == "none":
            return bias
        number = torch.arange(1, self.heads + 1, device=filled.device, dtype=filled.dtype)
        return bias - torch.exp2(-8 * number / self.heads).view(-1, 1, 1) * lag.clamp(min=0)
