"""Recurrent independent mechanisms: modules that compete for the input, and rest if they lose.

Goyal A et al. 2021, Recurrent independent mechanisms, ICLR, arXiv:1909.10893, sections 2.1 to 2.4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prefrontal.agents.networks.cores import State, sized, uniform
from prefrontal.agents.networks.cores.gated import lstm_cell


def attention(query: Tensor, key: Tensor) -> Tensor:
    """Return ``q·k / √d`` of queries ``[n, ..., d, B]`` and keys ``[m, ..., d, B]``.

    Returns:
        ``[n, m, ..., B]``.
    """
    return (query.unsqueeze(1) * key).sum(-2) * key.shape[-2] ** -0.5


class RIM(nn.Module):
    """Recurrent independent mechanisms with LSTM modules.

    There are K modules of u units, ``hidden_size = K u``, each with weights of its own. At a step,

    1. every module k looks at two rows, the encoded input and a row of zeros: with the key
       ``e = W_e [x_t; 1]`` and the value ``v = W_v [x_t; 1]``, which all share, and its own query
       ``q_k = Q_k [h_k; 1]``, its attention on the input is ``p_k = softmax(q_k·e / √d, 0)_1 =
       σ(q_k·e / √d)``, and it reads ``a_k = p_k v`` (the row of zeros has key and value zero);
    2. the k_A modules with the largest p_k are active;
    3. an active module computes ``h'_k, c_k = LSTM_k(a_k, h_k)``; the others keep ``h_k, c_k``;
    4. an active module reads from all modules, those at rest too, with some heads:
       ``h_k = h'_k + Σ_heads Σ_j softmax_j(Q'_k h'_k · E'_j h'_j / √d) V'_j h'_j``.

    Features are the states h of all modules. Gradients pass through the p_k of the active modules,
    and unchanged through the states of the others; which modules are active has none. Where
    modules tie for the last place, all of them are active.

    The query has a bias, which published equations leave open: modules whose states are all zero
    would tie. There is no dropout. Heads are summed, which is a concatenation with a linear layer.

    Args:
        input_size: Inputs I a step.
        hidden_size: Units of all modules together, a multiple of `modules`.
        modules: Modules K.
        active: Active modules k_A at a step; `modules`: no competition.
        heads: Heads of the communication, step 4; 0: there is none.
        key_size: Size d of keys and queries.
        value_size: Size of the values v that are read from the input.

    Raises:
        ValueError: A size that cannot be.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        modules: int = 6,
        active: int = 3,
        heads: int = 1,
        key_size: int = 8,
        value_size: int = 32,
    ) -> None:
        super().__init__()
        self.count, self.active = sized("modules", modules), sized("active", active, 1, modules)
        if hidden_size % modules:
            raise ValueError(
                f"hidden_size must be a multiple of the {modules} modules, not {hidden_size}"
            )
        units = self.units = hidden_size // modules
        self.heads, d = sized("heads", heads, 0), sized("key_size", key_size)
        self.key_size, self.value_size = d, sized("value_size", value_size)
        self.encode = nn.Parameter(torch.zeros(d + value_size, input_size + 1))  # key, value
        self.ask = nn.Parameter(torch.zeros(modules, units + 1, d))  # the last row is the bias
        self.read = nn.Parameter(torch.zeros(modules, 4 * units, value_size))  # gates i, f, g, o
        self.recur = nn.Parameter(torch.zeros(modules, 4 * units, units + 1))
        if heads:  # rows: query, key, value
            self.talk = nn.Parameter(torch.zeros(modules, heads * (2 * d + units), units))

    def initialise(
        self, generator: torch.Generator, input_gain: float = 1.0, forget_bias: float = 1.0
    ) -> None:
        """Draw weights uniformly in ±1/√(fan-in); keys and values of the input times the gain."""
        fan_in = {"encode": self.encode.shape[1] - 1, "read": self.value_size}
        for name, part in self.named_parameters():
            uniform(part, fan_in.get(name, self.units), generator)
        with torch.no_grad():
            self.encode[:, :-1] *= input_gain
            self.recur[:, self.units : 2 * self.units, -1] += forget_bias

    def initial_state(self, batch: int) -> State:
        """Return h and c, zeros ``[B, K, u]``."""
        return (self.recur.new_zeros(batch, self.count, self.units),) * 2

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute one step from inputs ``[B, I]``."""
        return self.step(*self.sense(x), state)

    def sequence(self, xs: Tensor, state: State | None) -> Tensor:
        """Compute steps from inputs ``[T, B, I]``; what depends on inputs alone is computed once.

        `state` is that before the first step; None: the initial one.

        Returns:
            Features ``[T, B, hidden_size]``.
        """
        steps = [part.unflatten(2, xs.shape[:2]).unbind(2) for part in self.sense(xs.flatten(0, 1))]
        features, state = [], self.initial_state(xs.shape[1]) if state is None else state
        for asked, read in zip(*steps, strict=True):
            made, state = self.step(asked, read, state)
            features.append(made)
        return torch.stack(features)

    def sense(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return of inputs ``[B, I]`` what is asked of modules, and what they can read.

        Returns:
            ``[Q_k; b_k]ᵀ e / √d`` ``[K, u + 1, B]``, and ``W_k v`` ``[K, 4u, B]``.
        """
        encoded = self.encode[:, :-1] @ x.T + self.encode[:, -1:]
        key, value = encoded.split([self.key_size, self.value_size])
        return self.ask @ (key * self.key_size**-0.5), self.read @ value

    def step(self, asked: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute one step from what `sense` returns, feature-major, ``[K, u, B]``."""
        h, c, *shared = (part.movedim(0, -1) for part in state)
        score = (asked[:, :-1] * h).sum(1) + asked[:, -1]
        last = score.detach().topk(self.active, 0).values[-1]
        active = (score >= last).unsqueeze(1)
        pre = self.recur[:, :, :-1] @ h + self.recur[:, :, -1:]
        pre = torch.addcmul(pre, torch.sigmoid(score).unsqueeze(1), read)
        new = [part.mT for part in lstm_cell(pre.mT, c.mT)]
        h, c = torch.where(active, new[0], h), torch.where(active, new[1], c)
        heard, shared = self.communicate(h, shared)
        if heard is not None:
            h = torch.where(active, h + heard, h)
        state = tuple(part.movedim(-1, 0) for part in (h, c, *shared))
        return state[0].flatten(1), state

    def communicate(self, h: Tensor, shared: list[Tensor]) -> tuple[Tensor | None, list[Tensor]]:
        """Return what every module hears ``[K, u, B]``, if anything, and what is shared next.

        Args:
            h: States of all modules ``[K, u, B]``, before they communicate.
            shared: Parts of the state that belong to no module.
        """
        if not self.heads:
            return None, shared
        d = self.key_size
        said = (self.talk @ h).unflatten(1, (self.heads, -1))  # [K, heads, ., B]
        query, key, value = said.split([d, d, self.units], 2)
        weights = attention(query, key).softmax(1)
        return (weights.unsqueeze(3) * value).sum((1, 2)), shared
