"""Networks of a population in plain PyTorch, and their recording: any core, any learning rule."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.vectorised import (
    FULL,
    Credit,
    Net,
    State,
    Tape,
    Vectorised,
    fresh_where,
)


class PlainTape(Tape):
    """A tape of `PlainNet`: all that is recorded lies batch-first, ``[T, P, B, ...]``.

    Attributes:
        every: Whether the states before all steps are kept, or the first and the last alone.
        noise: What is added to what reaches the units, ``[T, P, B, N]``; None: nothing.
        drives: What reached the units with the noise, of each step, ``[P, B, N]``.
    """

    def __init__(self, net: PlainNet, steps: int, batch: int, every: bool) -> None:
        self.steps = self.used = steps
        self.batch, self.every = batch, every

        def empty(size: int) -> Tensor:
            return net.parameters.new_zeros(steps, len(net.parameters), batch, size)

        self.x, self.features = empty(net.input_size), empty(net.config.hidden_size)
        self.outputs = empty(net.output_size)
        self.x_t = [x.transpose(1, 2) for x in self.x]
        self.heads = self.outputs.transpose(2, 3)
        self.heads_t = list(self.heads)
        self.states: dict[int, State] = {}
        self.noise: Tensor | None = None
        self.drives: list[Tensor] = []

    def hidden(self) -> Tensor:
        """See `Tape.hidden`."""
        return self.features.transpose(2, 3)


class PlainNet:
    """Networks of P members in plain PyTorch, with any core.

    Args:
        input_size: Inputs I a step.
        output_size: Read-outs O a step.
        config: Shape and initialisation.
        members: Number of members P.
        dtype: Number type.
        device: Where parameters live.
        trial_row: See `Net`.

    Attributes:
        parameters: ``[P, n]``: embedding, core, read-out.
        unrolls: Whether `attach` needs the inputs on a tape alone, not the steps.
    """

    unrolls = True

    def __init__(
        self,
        input_size: int,
        output_size: int,
        config: NetworkConfig,
        members: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        trial_row: int | None = None,
    ) -> None:
        self.input_size, self.output_size, self.config = input_size, output_size, config
        self.plain = Vectorised(Net(input_size, output_size, config, trial_row))
        size = self.plain.size
        self.parameters = torch.zeros(members, size, dtype=dtype, device=device)
        self._views = self.plain.views(self.parameters)
        self._alone: Any = None
        self._remembers = bool(self.plain.module.initial_state(1))

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_alone": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._views = self.plain.views(self.parameters)  # a copy of a view is none

    def initial(self, generator: torch.Generator) -> Tensor:
        """Draw one member's initial parameters ``[n]``."""
        return self.plain.initial(generator)

    def set_parameters(self, flat: Tensor) -> None:
        """Overwrite all parameters with ``flat [P, n]``."""
        self.parameters.copy_(flat)

    def tape(self, steps: int, batch: int, every: bool = False, learn: bool = True) -> PlainTape:
        """Return a tape for `steps` steps of `batch` episodes per member; see `PlainTape`.

        It can be learned from in any case: what the backward pass needs is computed anew.
        """
        return PlainTape(self, steps, batch, every)

    def begin(self, tape: PlainTape, state: State | None = None) -> None:
        """Set the state before the first step: tensors ``[P, B, ...]``, or the initial one."""
        made = self.plain.module
        if len(self.parameters) == 1 and (
            self._alone is None or self._alone.made_with is not made.intervention
        ):
            self._alone = _bound(made, self._views)
        tape.start, tape.drives = state, []
        tape.states = {0: self.initial_state(tape.batch) if state is None else state}

    @torch.no_grad()
    def initial_state(self, batch: int) -> State:
        """Return the state at the start of an episode, tensors ``[P, B, ...]``."""
        return self.plain.initial_state(self._views, batch)

    def state(self, tape: PlainTape, t: int) -> State:
        """Return the state before step `t` (``t = T`` is the last one), ``[P, B, ...]``."""
        return tape.states[t] if self._remembers else ()

    @torch.no_grad()
    def step(self, tape: PlainTape, t: int) -> Tensor:
        """Compute the read-outs ``[P, O, B]`` of one step from the inputs in ``tape.x_t[t]``."""
        now = tape.states[t] if self._remembers else ()
        if not tape.every and t > 1:
            tape.states.pop(t - 1, None)  # that of this step is kept: it may be repeated
        found: Any
        if tape.noise is None and self._alone is not None:
            found = self._alone(tape.x[t][0], tuple(part[0] for part in now))
            found = (*found[:2], tuple(part.unsqueeze(0) for part in found[2]))
        elif tape.noise is None:
            found = self.plain.step(self._views, tape.x[t], now)
        else:
            *found, drive = self.plain.disturbed(self._views, tape.x[t], now, tape.noise[t])
            tape.drives.append(drive)
        tape.outputs[t], tape.features[t], tape.states[t + 1] = found
        return tape.heads_t[t]

    def unroll(self, tape: PlainTape) -> None:
        """Compute all steps that are used, from the inputs on the tape."""
        for t in range(tape.used):
            if tape.starts is not None:
                self.restart(tape, t, tape.starts[t])
            self.step(tape, t)

    @torch.no_grad()
    def at_once(self, tape: PlainTape) -> None:
        """Compute the read-outs of all steps; those of a core without a state, not its features."""
        tape.outputs[: tape.used] = self.plain.unroll(self._views, tape.x[: tape.used], ())

    @torch.no_grad()
    def restart(self, tape: PlainTape, t: int, rows: Tensor) -> None:
        """Set the state before step `t` to the initial one where `rows` ``[P, B]`` are true."""
        if self._remembers:
            tape.states[t] = fresh_where(rows, self.initial_state(tape.batch), tape.states[t])

    def act(self, tape: PlainTape, t: int, choices: int, noise: Tensor, actions: Tensor) -> None:
        """Write the argmax of the first `choices` read-outs plus noise to `actions` ``[P, B]``."""
        torch.argmax(tape.heads_t[t][:, :choices] + noise, 1, out=actions)

    def attach(
        self,
        tape: PlainTape,
        parameters: Tensor,
        credit: Credit = FULL,
        codes: Tensor | None = None,
    ) -> Tensor:
        """Return the read-outs ``[T, P, O, B]`` as a function of `parameters` ``[P, n]``.

        And of `codes` ``[T, P, F, B]``, the first F of its inputs, if they are given.
        """
        views, used = self.plain.views(parameters), tape.used
        if credit.path == "none":
            weight = views["head.weight"]
            seen = tape.features[:used].transpose(0, 1).flatten(1, 2)
            outputs = torch.baddbmm(weight[:, None, :, -1], seen, weight[:, :, :-1].mT)
            return outputs.unflatten(1, (used, -1)).permute(1, 0, 3, 2)
        noise, xs = None if tape.noise is None else tape.noise[:used], tape.x[:used]
        if codes is not None:
            xs = torch.cat([codes.transpose(2, 3), xs[..., codes.shape[2] :]], 3)
        starts = None if tape.starts is None else tape.starts[:used]
        return self.plain.unroll(views, xs, tape.start, noise, credit, starts).transpose(2, 3)

    def core_slice(self) -> slice:
        """Return which parameters are those before the read-out."""
        return slice(0, self.plain.size - self.output_size * (self.config.hidden_size + 1))


def _bound(module: Any, views: dict[str, Tensor]) -> Any:
    """Return a copy of a module for one member whose parameters are views ``[1, *shape]``.

    It computes what `Vectorised.step` does, without the overhead of `functional_call`.
    """
    made, module = module, copy.deepcopy(module)
    module.made_with = made.intervention
    for name, view in views.items():
        place, _, last = name.rpartition(".")
        setattr(module.get_submodule(place), last, nn.Parameter(view[0], requires_grad=False))
    return module
