"""Networks of a population in plain PyTorch: a module for one member, mapped by `torch.func`.

An episode is played without a graph, one step at a time; for the gradient the recorded inputs are
unrolled once more with one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.cores import make_core

State = tuple[Tensor, ...]
M = TypeVar("M")


class Affine(nn.Module):
    """``W [x; 1]``, with ``weight [O, I + 1]``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs + 1))

    def initialise(self, generator: torch.Generator, gain: float = 1.0) -> None:
        """Draw weights uniformly in ±1/√I, as `torch.nn.Linear`; all but the bias times `gain`."""
        with torch.no_grad():
            drawn = 2 * torch.rand(self.weight.shape, generator=generator) - 1
            self.weight.copy_(drawn * (self.weight.shape[1] - 1) ** -0.5)
            self.weight[:, :-1] *= gain

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., I]`` to ``[..., O]``."""
        return F.linear(x, self.weight[:, :-1], self.weight[:, -1])


class Net(nn.Module):
    """One member's network: a linear embedding if there is one, a core, and a linear read-out.

    Args:
        input_size: Inputs I a step.
        output_size: Read-outs O a step.
        config: Shape and initialisation.
    """

    def __init__(self, input_size: int, output_size: int, config: NetworkConfig) -> None:
        super().__init__()
        self.config, units = config, config.embedding_size
        self.embedding = Affine(input_size, units) if units else None
        self._core = config.core, units or input_size, config.hidden_size
        self.core = make_core(*self._core)
        self.head = Affine(config.hidden_size, output_size)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw initial parameters: embedding, core, read-out."""
        gain = self.config.input_gain
        if self.embedding is not None:
            self.embedding.initialise(generator, gain)
            gain = 1.0
        if hasattr(self.core, "initialise"):
            self.core.initialise(generator, gain, self.config.forget_bias)
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
                self.core.load_state_dict(make_core(*self._core).state_dict())
        self.head.initialise(generator)

    def initial_state(self, batch: int) -> State:
        """Return the core's initial state, tensors ``[B, ...]``."""
        return tuple(self.core.initial_state(batch))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Map inputs ``[B, I]`` to read-outs ``[B, O]``, features ``[B, H]`` and the next state."""
        if self.embedding is not None:
            x = self.embedding(x)
        features, state = self.core(x, state)
        return self.head(features), features, tuple(state)


class _Applied(nn.Module):
    """A function of a network as a module: `functional_call` gives it the network's parameters."""

    def __init__(self, function: Callable[..., Any], net: Any) -> None:
        super().__init__()
        self.function, self.net = function, net

    def forward(self, *args: Any) -> Any:
        return self.function(self.net, *args)


def _initial_state(net: Any, batch: int) -> State:
    return tuple(net.initial_state(batch))


def _unroll(net: Any, xs: Tensor, state: State | None) -> Tensor:
    """Map inputs ``[T, B, I]`` of one member to read-outs ``[T, B, O]``."""
    if state is None:
        state = tuple(part.to(xs) for part in net.initial_state(xs.shape[1]))
    if not state:  # nothing is carried over: all steps at once
        return net(xs.flatten(0, 1), state)[0].unflatten(0, xs.shape[:2])
    steps = []
    for x in xs:
        outputs, _, state = net(x, state)
        steps.append(outputs)
    return torch.stack(steps)


def without_memory(make: Callable[[], M]) -> M:
    """Return what `make` makes of PyTorch modules, with sizes and without memory for parameters.

    Only a user's core that cannot be made so has its memory.

    Raises:
        ConfigError: The sizes are beyond what any machine can hold.
    """
    try:
        with torch.device("meta"):
            return make()
    except RuntimeError as error:
        if "overflow" in str(error) or "invalid" in str(error):
            raise ConfigError("there is no memory for networks of this size") from error
        return make()


class Vectorised:
    """A module for one member, mapped over P members with parameters ``[P, n]``.

    Args:
        module: A module as `Net`: ``initial_state(batch)`` and ``forward(x, state) -> (outputs,
            features, state)``.

    Attributes:
        size: Number n of parameters of one member, in the order of the module's
            ``named_parameters()``.
    """

    def __init__(self, module: Any) -> None:
        if any(True for _ in module.buffers()):
            name = type(getattr(module, "core", module)).__name__
            raise ConfigError(
                f"{name} keeps buffers, which no member would have of its own and no checkpoint "
                "would hold: make them parameters or part of the state"
            )
        self.module = module
        self.shapes = {name: part.shape for name, part in module.named_parameters()}
        self.size = sum(math.prod(shape) for shape in self.shapes.values())
        self._initial = _Applied(_initial_state, module)
        self._unrolled = _Applied(_unroll, module)

    def initial(self, generator: torch.Generator) -> Tensor:
        """Draw one member's initial parameters ``[n]``."""
        self.module.initialise(generator)
        return torch.cat([part.detach().flatten() for part in self.module.parameters()])

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return views of flat parameters ``[P, n]``, ``[P, *shape]`` by name."""
        parts = flat.split([math.prod(shape) for shape in self.shapes.values()], dim=1)
        named = zip(self.shapes.items(), parts, strict=True)
        return {
            name: part.unflatten(1, shape) if shape else part[:, 0] for (name, shape), part in named
        }

    def initial_state(self, views: dict[str, Tensor], batch: int) -> State:
        """Return the state at the start of an episode, tensors ``[P, B, ...]``."""
        if not self.module.initial_state(batch):
            return ()
        like = next(iter(views.values()))
        named = {f"net.{name}": view for name, view in views.items()}
        state = vmap(lambda p: functional_call(self._initial, p, (batch,)))(named)
        return tuple(part.to(like.device, like.dtype).contiguous() for part in state)

    def step(
        self, views: dict[str, Tensor], x: Tensor, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Map inputs ``[P, B, I]`` to read-outs, features ``[P, B, ...]`` and the next state."""
        return vmap(lambda p, x, s: functional_call(self.module, p, (x, s)))(views, x, state)

    def unroll(self, views: dict[str, Tensor], xs: Tensor, state: State | None) -> Tensor:
        """Map inputs ``[T, P, B, I]`` to read-outs ``[T, P, B, O]``, from a state or the first."""
        named = {f"net.{name}": view for name, view in views.items()}
        members = (0, 1, None if state is None else 0)  # which dimension of each argument
        call = vmap(lambda p, *given: functional_call(self._unrolled, p, given), members, 1)
        return call(named, xs, state)


class Tape:
    """What P members with B episodes each have seen and said, step by step.

    Attributes:
        steps: Steps T that it has room for.
        used: How many of them hold a recording (fewer where episodes ended early).
        batch: Episodes B per member.
        x: Inputs of all steps, ``[T, P, ...]`` (or one step more).
        x_t: Inputs of each step, views ``[P, I, B]`` to write to.
        heads: Read-outs ``[T, P, O, B]``; `heads_t` are its steps.
        before: Value before the first step, ``[P, B]``, of a critic whose prediction errors an
            actor is given.
    """

    steps: int
    used: int
    batch: int
    x: Tensor
    x_t: list[Tensor]
    heads: Tensor
    heads_t: list[Tensor]
    before: Tensor

    def hidden(self) -> Tensor:
        """Return the features after each step, a view ``[T, P, H, B]``."""
        raise NotImplementedError


class PlainTape(Tape):
    """A tape of `PlainNet`: all that is recorded lies batch-first, ``[T, P, B, ...]``."""

    def __init__(self, net: PlainNet, steps: int, batch: int) -> None:
        self.steps = self.used = steps
        self.batch = batch

        def empty(size: int) -> Tensor:
            return net.parameters.new_zeros(steps, len(net.parameters), batch, size)

        self.x, self.features = empty(net.input_size), empty(net.config.hidden_size)
        self.outputs = empty(net.output_size)
        self.x_t = [x.transpose(1, 2) for x in self.x]
        self.heads = self.outputs.transpose(2, 3)
        self.heads_t = list(self.heads)
        self.states: list[State] = [()] * (steps + 1)
        self.start: State | None = None  # None: the initial state, through which gradients flow

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

    Attributes:
        parameters: ``[P, n]``: embedding, core, read-out.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        config: NetworkConfig,
        members: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.input_size, self.output_size, self.config = input_size, output_size, config
        self.plain = Vectorised(Net(input_size, output_size, config))
        size = self.plain.size
        self.parameters = torch.zeros(members, size, dtype=dtype, device=device)
        self._views = self.plain.views(self.parameters)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._views = self.plain.views(self.parameters)  # a copy of a view is none

    def initial(self, generator: torch.Generator) -> Tensor:
        """Draw one member's initial parameters ``[n]``."""
        return self.plain.initial(generator)

    def set_parameters(self, flat: Tensor) -> None:
        """Overwrite all parameters with ``flat [P, n]``."""
        self.parameters.copy_(flat)

    def tape(self, steps: int, batch: int) -> PlainTape:
        """Return a tape for `steps` steps of `batch` episodes per member."""
        return PlainTape(self, steps, batch)

    def begin(self, tape: PlainTape, state: State | None = None) -> None:
        """Set the state before the first step: tensors ``[P, B, ...]``, or the initial one."""
        tape.start = state
        tape.states[0] = self.initial_state(tape.batch) if state is None else state

    @torch.no_grad()
    def initial_state(self, batch: int) -> State:
        """Return the state at the start of an episode, tensors ``[P, B, ...]``."""
        return self.plain.initial_state(self._views, batch)

    def state(self, tape: PlainTape, t: int) -> State:
        """Return the state before step `t` (``t = T`` is the last one), ``[P, B, ...]``."""
        return tape.states[t]

    @torch.no_grad()
    def step(self, tape: PlainTape, t: int) -> Tensor:
        """Compute the read-outs ``[P, O, B]`` of one step from the inputs in ``tape.x_t[t]``."""
        found = self.plain.step(self._views, tape.x[t], tape.states[t])
        tape.outputs[t], tape.features[t], tape.states[t + 1] = found
        return tape.heads_t[t]

    def act(self, tape: PlainTape, t: int, choices: int, noise: Tensor, actions: Tensor) -> None:
        """Write the argmax of the first `choices` read-outs plus noise to `actions` ``[P, B]``."""
        torch.argmax(tape.heads_t[t][:, :choices] + noise, 1, out=actions)

    def attach(self, tape: PlainTape, parameters: Tensor) -> Tensor:
        """Return the read-outs ``[T, P, O, B]`` as a function of `parameters` ``[P, n]``."""
        views = self.plain.views(parameters)
        return self.plain.unroll(views, tape.x[: tape.used], tape.start).transpose(2, 3)
