"""The compiled LSTM of a population, for float32 on CPUs, behind the same methods as `PlainNet`.

With one update per rollout, the rollout *is* the forward pass of the loss: all that the backward
pass needs is written to a preallocated tape while the agent acts, and back-propagation through time
runs over it without a second forward pass and without an autograd graph. The layout is
feature-major, ``[T, P, features, B]``: the input of step t is the column ``[x_t; h_{t-1}; 1]``, so
that one matrix a member does it all.

``tanh x = 2 σ(2x) - 1``: the inner factor 2 is folded into the rows of the candidate g.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from prefrontal.agents.kernels.build import compiled
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.vectorised import FULL, Credit, Net, Tape, Vectorised

State = tuple[Tensor, ...]
_BUFFERS = ("z", "gates", "cell", "heads")


class _Tape(ctypes.Structure):
    """The struct ``Tape`` of ``lstm.cpp``."""

    _fields_ = (
        [(name, ctypes.c_int32) for name in ("T", "P", "B", "I", "H", "O")]
        + [(name, ctypes.c_void_p) for name in ("parameters", "across", *_BUFFERS, "scratch")]
        + [(f"{name}_block", ctypes.c_int64) for name in _BUFFERS]
    )


@functools.cache
def library() -> Any:
    """Return the compiled ``lstm.cpp``."""
    found = compiled("lstm", struct=_Tape)
    address, number = ctypes.c_void_p, ctypes.c_int
    found.lstm_scratch.restype = ctypes.c_long
    found.lstm_scratch.argtypes = [address]
    found.lstm_passes.argtypes = [*[address] * 3, number, ctypes.c_double, *[address] * 4]
    found.lstm_turn.argtypes = [number] * 4 + [address] * 2
    found.lstm_forward.argtypes = [address, number]
    found.lstm_unroll.argtypes = [address, number, address]
    found.lstm_choose.argtypes = [address, number, number, address, ctypes.c_long, address]
    found.lstm_choose.restype = None
    found.lstm_play.argtypes = [address, address]
    found.lstm_play.restype = None
    found.lstm_backward.argtypes = (
        [address] * 3 + [number] * 2 + [address, number, address, address]
    )
    return found


class LSTMTape(Tape):
    """The activations of the unrolled LSTM.

    Attributes:
        z: Inputs ``[T + 1, P, I + H + 1, B]``; rows ``I : I + H`` of slot t hold ``h_{t-1}``, the
            last row is one.
        gates: ``[T, P, 4H, B]`` numbers, ``(g + 1) / 2`` in place of g, the columns of a block
            together (``lstm.cpp``).
        cell: ``[T + 1, P, H, B]``, ``c_{t-1}`` in slot t.
        learn: Whether there is all that the backward pass needs. Else all steps and members write
            their `gates` to one place, which stays in the cache.
    """

    def __init__(self, net: CompiledLSTM, steps: int, batch: int, learn: bool = True) -> None:
        self.steps = self.used = steps
        self.learn = learn
        self.batch = batch
        inputs, hidden, members = net.input_size, net.config.hidden_size, len(net.parameters)

        def zeros(slots: int, size: int) -> Tensor:
            return torch.zeros(slots, members, size, batch)

        self.z = zeros(steps + 1, inputs + hidden + 1)
        self.z[:, :, -1] = 1.0
        kept = 4 * hidden
        self.gates = zeros(steps, kept) if learn else torch.zeros(kept, batch)
        self.cell, self.heads = zeros(steps + 1, hidden), zeros(steps, net.output_size)
        # Views are made once: making one costs as much as a small product.
        self.x = self.z[:, :, :inputs]
        self.x_t = list(self.x)
        self.h_t = [z[:, inputs:-1] for z in self.z]
        self.heads_t = list(self.heads)
        sizes = steps, members, batch, inputs, hidden, net.output_size
        buffers = [getattr(self, name) for name in _BUFFERS]
        addresses = [each.data_ptr() for each in (net.parameters, net.across, *buffers)]
        blocks = (each.stride(1) if each.dim() == 4 else 0 for each in buffers)
        self.struct = _Tape(*sizes, *addresses, None, *blocks)
        self.address = ctypes.byref(self.struct)
        self.scratch = torch.empty(library().lstm_scratch(self.address) + 16)
        start = self.scratch.data_ptr()
        self.struct.scratch = start + (-start) % 64

    def hidden(self) -> Tensor:
        """See `Tape.hidden`."""
        return self.z[1:, :, -1 - self.cell.shape[2] : -1]


class CompiledLSTM:
    """Networks of P members with the core `lstm`; arguments as of `PlainNet`, parameters alike."""

    unrolls = False

    def __init__(
        self, input_size: int, output_size: int, config: NetworkConfig, members: int
    ) -> None:
        self.input_size, self.output_size, self.config = input_size, output_size, config
        hidden = config.hidden_size
        self.plain = Vectorised(Net(input_size, output_size, config))
        self.parameters = torch.zeros(members, self.plain.size)
        # The weights of the gates turned, those of g doubled.
        self.across = torch.zeros(members, input_size + hidden + 1, 4 * hidden)

    def initial(self, generator: torch.Generator) -> Tensor:
        """Draw one member's initial parameters ``[n]``."""
        return self.plain.initial(generator)

    def set_parameters(self, flat: Tensor) -> None:
        """Overwrite all parameters with ``flat [P, n]``, in place: tapes know the addresses."""
        self.parameters.copy_(flat)
        sizes = *self.across.shape[:2], self.config.hidden_size, self.parameters.shape[1]
        library().lstm_turn(*sizes, self.parameters.data_ptr(), self.across.data_ptr())

    def tape(self, steps: int, batch: int, every: bool = False, learn: bool = True) -> LSTMTape:
        """Return a tape for `steps` steps of `batch` episodes per member; it has every state."""
        return LSTMTape(self, steps, batch, learn)

    def initial_state(self, batch: int) -> State:
        """Return zeros ``[P, B, H]``, twice."""
        zero = torch.zeros(len(self.parameters), batch, self.config.hidden_size)
        return zero, zero

    def begin(self, tape: LSTMTape, state: State | None = None) -> None:
        """Set the state before the first step: ``(h, c)``, ``[P, B, H]`` each, or zeros."""
        tape.start = None if state is None else tuple(part.clone() for part in state)
        for index, place in enumerate((tape.h_t[0], tape.cell[0])):
            if tape.start is None:
                place.zero_()
            else:
                place.copy_(tape.start[index].transpose(1, 2))

    def restart(self, tape: LSTMTape, t: int, rows: Tensor) -> None:
        """Set the state before step `t` back to zero where `rows` ``[P, B]`` are true."""
        for place in (tape.h_t[t], tape.cell[t]):
            place.masked_fill_(rows.unsqueeze(1), 0.0)

    def state(self, tape: LSTMTape, t: int) -> State:
        """Return the state before step `t` (so ``t = T`` is the last one), views ``[P, B, H]``."""
        return tape.h_t[t].transpose(1, 2), tape.cell[t].transpose(1, 2)

    def step(self, tape: LSTMTape, t: int) -> Tensor:
        """Compute the read-outs ``[P, O, B]`` of one step from the inputs in ``tape.x_t[t]``."""
        library().lstm_forward(tape.address, t)
        return tape.heads_t[t]

    def unroll(self, tape: LSTMTape) -> None:
        """See `PlainNet.unroll`."""
        starts = None if tape.starts is None else tape.starts.data_ptr()
        library().lstm_unroll(tape.address, tape.used, starts)

    def act(self, tape: LSTMTape, t: int, choices: int, noise: Tensor, actions: Tensor) -> None:
        """See `PlainNet.act`; noise is contiguous within a member, and actions are int64."""
        library().lstm_choose(
            tape.address, t, choices, noise.data_ptr(), noise.stride(0), actions.data_ptr()
        )

    def attach(
        self,
        tape: LSTMTape,
        parameters: Tensor,
        credit: Credit = FULL,
        codes: Tensor | None = None,
    ) -> Tensor:
        """See `PlainNet.attach`.

        Raises:
            ValueError: The tape is none to learn from.
        """
        if not tape.learn:
            raise ValueError(
                "this tape holds too little to learn from: ask for one with learn=True"
            )
        return _Recorded.apply(parameters, codes, self, tape, credit)

    def backward(
        self, tape: LSTMTape, d_heads: Tensor, credit: Credit = FULL, codes: Tensor | None = None
    ) -> Tensor:
        """Map the gradient of the read-outs ``[T, P, O, B]`` to that of the parameters.

        That of the first inputs is written to `codes` ``[T, P, F, B]``, if there is such a tensor.
        """
        gradient, d_heads = torch.empty_like(self.parameters), d_heads.contiguous()
        if credit.path == "none":
            seen = tape.z[1 : tape.used + 1, :, -1 - self.config.hidden_size :]
            core, head = self.plain.views(gradient).values()
            core.zero_()
            head.copy_(torch.einsum("tpob,tphb->poh", d_heads, seen))
            return gradient
        back = None if credit.feedback is None else F.pad(credit.feedback, (0, 1)).contiguous()
        tape.struct.T = tape.used
        library().lstm_backward(
            tape.address,
            d_heads.data_ptr(),
            None if back is None else back.data_ptr(),
            int(credit.path == "local"),
            credit.truncate,
            gradient.data_ptr(),
            *((0, None) if codes is None else (codes.shape[2], codes.data_ptr())),
            None if tape.starts is None else tape.starts.data_ptr(),
        )
        return gradient

    def passes(
        self,
        tape: LSTMTape,
        loss: Any,
        step: Any,
        passes: int,
        max_norm: float,
        factor: Tensor | None = None,
    ) -> Tensor:
        """Learn from what is recorded: as often, take a step of the optimiser; see ``lstm.cpp``.

        Args:
            tape: What is recorded.
            loss: Of the read-outs of the tape; see `ChoicesLoss.struct`.
            step: Of these parameters; see `CompiledOptimiser.struct`.
            passes: How often.
            max_norm: Largest norm of the gradient.
            factor: Of the gradient, before its norm is taken, ``[P, n]``; None: 1.

        Returns:
            Norms of the first and of the last gradients, ``[2, P]``. With one that is no number no
            step was taken, nor by any member if it is a first one.
        """
        norms, gradient = torch.empty(2, len(self.parameters)), torch.empty_like(self.parameters)
        tape.struct.T = tape.used
        starts = None if tape.starts is None else tape.starts.data_ptr()
        told = tape.address, ctypes.byref(loss), ctypes.byref(step), passes, max_norm
        scale = None if factor is None else factor.data_ptr()
        library().lstm_passes(*told, gradient.data_ptr(), scale, starts, norms.data_ptr())
        return norms

    def core_slice(self) -> slice:
        """Return which parameters are those before the read-out."""
        return slice(0, self.across[0].numel())


class _Recorded(torch.autograd.Function):
    """Read-outs on a tape as a function of the flat parameters, and of the first inputs."""

    @staticmethod
    def forward(
        ctx: Any,
        parameters: Tensor,
        codes: Tensor | None,
        net: CompiledLSTM,
        tape: LSTMTape,
        credit: Credit,
    ) -> Tensor:
        ctx.net, ctx.tape, ctx.credit = net, tape, credit
        ctx.codes = None if codes is None else codes.shape
        return tape.heads[: tape.used].detach()

    @staticmethod
    def backward(ctx: Any, *d_heads: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
        codes = None if ctx.codes is None else torch.zeros(ctx.codes)
        gradient = ctx.net.backward(ctx.tape, d_heads[0], ctx.credit, codes)
        return gradient, codes, None, None, None
