"""Recurrent independent mechanisms that communicate through a shared workspace.

Goyal A et al. 2022, Coordination among neural modules through a shared global workspace, ICLR,
arXiv:2103.01197.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prefrontal.agents.networks.cores import State, sized
from prefrontal.agents.networks.cores.rim import RIM, attention


class RIMWorkspace(RIM):
    """Modules as in `RIM`, with a workspace of l slots of u units in place of step 4.

    4. Modules compete to write: slot m_i attends to all modules, and only the `writers` modules
       with the largest attention keep a weight, ``n_i = Σ_j softmax_j(Q m_i · E_j h'_j / √d) V_j
       h'_j`` over these j. The slot is updated through gates, as in a relational memory
       (Santoro et al. 2018): ``i, f = σ(G [n_i; tanh(m_i); 1])``, ``m_i = f m_i + i tanh(n_i)``.
    5. The workspace is broadcast to the active modules:
       ``h_k = h'_k + Σ_i softmax_i(Q'_k h'_k · E' m_i / √d) V' m_i``.

    Slots last from step to step. They start at learned values, since equal ones would stay equal.
    The bias of f starts at 1. Where modules tie for the last place of the writers, all of them
    write.

    Args:
        input_size: Inputs I a step.
        hidden_size: Units of all modules together, a multiple of `modules`.
        modules: Modules K.
        active: Active modules k_A at a step.
        key_size: Size d of keys and queries.
        value_size: Size of the values that are read from the input.
        slots: Slots l of the workspace.
        writers: Modules that write to a slot at a step; `modules`: no competition.

    Raises:
        ValueError: A size that cannot be.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        modules: int = 6,
        active: int = 3,
        key_size: int = 8,
        value_size: int = 32,
        slots: int = 4,
        writers: int = 2,
    ) -> None:
        super().__init__(input_size, hidden_size, modules, active, 0, key_size, value_size)
        self.writers, u = sized("writers", writers, 1, modules), self.units
        self.start = nn.Parameter(torch.zeros(sized("slots", slots), u))
        # of modules: rows key and value for the slots, and query to them
        self.say = nn.Parameter(torch.zeros(modules, 2 * key_size + u, u))
        self.admit = nn.Parameter(torch.zeros(key_size, u))  # query of the slots
        self.gate = nn.Parameter(torch.zeros(2 * u, 2 * u + 1))  # i, f; the last column is the bias
        self.broadcast = nn.Parameter(torch.zeros(key_size + u, u))  # key and value of the slots

    def initialise(
        self, generator: torch.Generator, input_gain: float = 1.0, forget_bias: float = 1.0
    ) -> None:
        """Draw weights as `RIM`, the slots at the start too; the gates of the slots are opened."""
        super().initialise(generator, input_gain, forget_bias)
        with torch.no_grad():
            self.gate[self.units :, -1] += 1.0

    def initial_state(self, batch: int) -> State:
        """Return h and c, zeros ``[B, K, u]``, and the slots ``[B, l, u]``."""
        return *super().initial_state(batch), self.start.expand(batch, *self.start.shape)

    def communicate(self, h: Tensor, shared: list[Tensor]) -> tuple[Tensor | None, list[Tensor]]:
        """See `RIM.communicate`; the slots ``[l, u, B]`` are what is shared."""
        (slots,) = shared
        d, u = self.key_size, self.units
        key, value, query = (self.say @ h).split([d, u, d], 1)
        scores = attention(self.admit @ slots, key)
        last = scores.detach().topk(self.writers, 1).values[:, -1:]
        weights = scores.masked_fill(scores < last, -torch.inf).softmax(1)
        written = (weights.unsqueeze(2) * value).sum(1)
        pre = self.gate[:, :-1] @ torch.cat([written, slots.tanh()], 1) + self.gate[:, -1:]
        i, f = torch.sigmoid(pre).chunk(2, 1)
        slots = f * slots + i * written.tanh()
        key, value = (self.broadcast @ slots).split([d, u], 1)
        weights = attention(query, key).softmax(1)
        return (weights.unsqueeze(2) * value).sum(1), [slots]
