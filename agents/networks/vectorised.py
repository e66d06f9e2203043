"""Networks of a population in plain PyTorch: a module for one member, mapped by `torch.func`.

An episode is played without a graph, one step at a time; for the gradient the recorded inputs are
unrolled once more with one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.cores import State, at_once, make_core, uniform
from prefrontal.agents.networks.tape import Tape as Tape

M = TypeVar("M")


class Affine(nn.Module):
    """``W [x; 1]``, with ``weight [O, I + 1]``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs + 1))

    def initialise(self, generator: torch.Generator, gain: float = 1.0) -> None:
        """Draw weights uniformly in ±1/√I, as `torch.nn.Linear`; all but the bias times `gain`."""
        uniform(self.weight, self.weight.shape[1] - 1, generator)
        with torch.no_grad():
            self.weight[:, :-1] *= gain

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., I]`` to ``[..., O]``."""
        return F.linear(x, self.weight[:, :-1], self.weight[:, -1])


@dataclass(frozen=True)
class Credit:
    """Which ways the gradient takes from the read-outs to the weights.

    Attributes:
        path: ``full``, back-propagation; ``local``, without the way from what the units said a step
            before, through the weights (e-prop); ``none``, the read-out's own weights alone.
        truncate: Steps after which the way through time is cut, at k, 2k, ... of an episode; 0:
            nowhere. With 1 no gradient goes through time.
        feedback: In place of the read-out's weights on the way back to the features, ``[P, O, H]``.
    """

    path: Literal["full", "local", "none"] = "full"
    truncate: int = 0
    feedback: Tensor | None = None


FULL = Credit()


class Net(nn.Module):
    """One member's network: a linear embedding if there is one, a core, and a linear read-out.

    Args:
        input_size: Inputs I a step.
        output_size: Read-outs O a step.
        config: Shape and initialisation.
        trial_row: Which input says that a trial starts, where that sets the core's activity back.

    Attributes:
        intervention: What is done to the units after every step (`probing.Intervention`), if
            anything.
    """

    def __init__(
        self, input_size: int, output_size: int, config: NetworkConfig, trial_row: int | None = None
    ) -> None:
        super().__init__()
        self.inputs, self.trial_row = input_size, trial_row
        self.intervention: Callable[[Tensor, State], tuple[Tensor, State]] | None = None
        self.config, units = config, config.embedding_size
        self.embedding = Affine(input_size, units) if units else None
        self._core = config.core, units or input_size, config.hidden_size, config.core_kwargs
        self.core = make_core(*self._core)
        self.at_once = at_once(type(self.core))
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

    def embedded(self, x: Tensor) -> Tensor:
        """Return what the core is given of inputs ``[..., I]``."""
        return x if self.embedding is None else self.embedding(x)

    def begun(self, x: Tensor, state: State) -> State:
        """Return the state that a step from inputs ``[B, I]`` begins with."""
        if self.trial_row is None or not state:
            return state
        reset = getattr(self.core, "reset", None)
        fresh = reset(state) if reset else self.core.initial_state(len(x))
        return fresh_where(x[:, self.trial_row] > 0.5, fresh, state)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Map inputs ``[B, I]`` to read-outs ``[B, O]``, features ``[B, H]`` and the next state."""
        features, state = self.core(self.embedded(x), self.begun(x, state))
        if self.intervention is not None:
            features, state = self.intervention(features, tuple(state))
        return self.head(features), features, tuple(state)

    def disturbed(
        self, x: Tensor, state: State, noise: Tensor
    ) -> tuple[Tensor, Tensor, State, Tensor]:
        """Step as `forward`, with noise ``[B, N]`` added to what reaches the units.

        Returns:
            As `forward`, and what reached the units, with the noise, ``[B, N]``.
        """
        state = self.begun(x, state)
        pre = self.core.drive(self.embedded(x), state) + noise
        features, state = self.core.advance(pre, state)
        return self.head(features), features, tuple(state), pre


def fresh_where(rows: Tensor, fresh: State, state: State) -> State:
    """Return a state that is `fresh` where `rows` ``[..., B]`` are true."""
    return tuple(
        old
        if new is old  # outlasts a trial
        else torch.where(rows.view(*rows.shape, *[1] * (old.dim() - rows.dim())), new.to(old), old)
        for new, old in zip(fresh, state, strict=True)
    )


def unroll(
    net: Any,
    xs: Tensor,
    state: State | None,
    noise: Tensor | None,
    feedback: Tensor | None,
    starts: Tensor | None,
    path: str = "full",
    truncate: int = 0,
) -> Tensor:
    """Map inputs ``[T, B, I]`` of one member to read-outs ``[T, B, O]``; see `Credit`."""
    features = _features(net, xs, state, noise, starts, path, truncate)
    if feedback is None:
        return net.head(features)
    back = F.linear(features, feedback)  # only for its gradient
    return net.head(features.detach()) + (back - back.detach())


def _features(
    net: Any,
    xs: Tensor,
    state: State | None,
    noise: Tensor | None,
    starts: Tensor | None,
    path: str,
    truncate: int,
) -> Tensor:
    """Map inputs ``[T, B, I]`` of one member to features ``[T, B, H]``."""
    whole = path == "full" and not truncate and net.trial_row is None and noise is None
    if whole and net.at_once and starts is None:
        return net.core.sequence(net.embedded(xs), state)
    fresh = tuple(part.to(xs) for part in net.initial_state(xs.shape[1]))
    state = fresh if state is None else state
    given = net.embedded(xs)
    if whole and not state:  # nothing is carried over: all steps at once
        return net.core(given.flatten(0, 1), state)[0].unflatten(0, xs.shape[:2])
    steps = []
    for t, x in enumerate(given):
        if truncate and t and t % truncate == 0:
            state = tuple(part.detach() for part in state)
        if starts is not None:
            state = fresh_where(starts[t], fresh, state)
        state = net.begun(xs[t], state)
        if path == "full" and noise is None:
            features, state = net.core(x, state)
        else:
            past = state if path == "full" else tuple(part.detach() for part in state)
            pre = net.core.drive(x, past)
            features, state = net.core.advance(pre if noise is None else pre + noise[t], state)
        steps.append(features)
    return torch.stack(steps)


def drives(net: Any, xs: Tensor, states: State) -> Tensor:
    """Map inputs ``[T, B, I]`` and the states before them to what reached the units."""
    xs, states = xs.flatten(0, 1), tuple(part.flatten(0, 1) for part in states)
    return net.core.drive(net.embedded(xs), net.begun(xs, states))


class _Applied(nn.Module):
    """A function of a network as a module: `functional_call` gives it the network's parameters."""

    def __init__(self, function: Callable[..., Any], net: Any) -> None:
        super().__init__()
        self.function, self.net = function, net

    def forward(self, *args: Any) -> Any:
        return self.function(self.net, *args)


def _initial_state(net: Any, batch: int) -> State:
    return tuple(net.initial_state(batch))


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


def _over_members(function: Callable[..., Any], dims: tuple[Any, ...], out: int = 0) -> Any:
    """Return `vmap` of a function of parameters ``{name: [P, ...]}`` and more.

    One member is computed without `vmap`, whose overhead is several times that of a small core.

    Args:
        function: Of one member.
        dims: Which dimension of each argument is the member; None: none.
        out: Which one of every result is.
    """
    mapped = vmap(function, dims, out)

    def call(parameters: dict[str, Tensor], *args: Any) -> Any:
        if len(next(iter(parameters.values()), ())) != 1:
            return mapped(parameters, *args)
        given = zip((parameters, *args), dims, strict=True)
        found = function(*(_each(one, partial(torch.select, dim=d, index=0)) for one, d in given))
        return _each(found, lambda x: x.unsqueeze(out))

    return call


def _each(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to all tensors of a dictionary or a tuple, or to one; None stays."""
    if isinstance(value, dict):
        return {key: function(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_each(one, function) for one in value)
    return value if value is None else function(value)


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
        self._drives = _Applied(drives, module)

    def initial(self, generator: torch.Generator) -> Tensor:
        """Draw one member's initial parameters ``[n]``."""
        self.module.initialise(generator)
        return torch.cat([part.detach().flatten() for part in self.module.parameters()])

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return views of flat parameters ``[P, n]``, ``[P, *shape]`` by name."""
        parts = flat.split_with_sizes([math.prod(shape) for shape in self.shapes.values()], 1)
        named = zip(self.shapes.items(), parts, strict=True)
        return {
            name: part.unflatten(1, shape) if shape else part[:, 0] for (name, shape), part in named
        }

    def initial_state(self, views: dict[str, Tensor], batch: int) -> State:
        """Return the state at the start of an episode, tensors ``[P, B, ...]``."""
        if not self.module.initial_state(batch):
            return ()
        like = next(iter(views.values()))
        initial = _over_members(lambda p: functional_call(self._initial, p, (batch,)), (0,))
        state = initial(self._named(views))
        return tuple(part.to(like.device, like.dtype).contiguous() for part in state)

    def step(
        self, views: dict[str, Tensor], x: Tensor, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Map inputs ``[P, B, I]`` to read-outs, features ``[P, B, ...]`` and the next state."""
        call = _over_members(lambda p, *given: functional_call(self.module, p, given), (0, 0, 0))
        found: tuple[Tensor, Tensor, State] = call(views, x, state)
        return found

    def disturbed(
        self, views: dict[str, Tensor], x: Tensor, state: State, noise: Tensor
    ) -> tuple[Tensor, Tensor, State, Tensor]:
        """Step with noise ``[P, B, N]``; see `Net.disturbed`."""
        step = _Applied(type(self.module).disturbed, self.module)
        call = _over_members(lambda p, *given: functional_call(step, p, given), (0, 0, 0, 0))
        found: tuple[Tensor, Tensor, State, Tensor] = call(self._named(views), x, state, noise)
        return found

    def drives(self, views: dict[str, Tensor], xs: Tensor, states: State) -> Tensor:
        """Map inputs and states ``[T, P, B, ...]`` to what reached the units ``[P, T * B, N]``."""
        call = _over_members(lambda p, *given: functional_call(self._drives, p, given), (0, 1, 1))
        found: Tensor = call(self._named(views), xs, states)
        return found

    def unroll(
        self,
        views: dict[str, Tensor],
        xs: Tensor,
        state: State | None,
        noise: Tensor | None = None,
        credit: Credit = FULL,
        starts: Tensor | None = None,
    ) -> Tensor:
        """Map inputs ``[T, P, B, I]`` to read-outs ``[T, P, B, O]``.

        Args:
            views: Parameters.
            xs: Inputs.
            state: That before the first step; None: the initial one.
            noise: Added to what reaches the units, ``[T, P, B, N]``.
            credit: Which ways the gradient takes.
            starts: Where episodes start, see `Tape`.
        """
        function = partial(unroll, path=credit.path, truncate=credit.truncate)
        unrolled = _Applied(function, self.module)
        given = state, noise, credit.feedback, starts
        # Which dimension of each argument is the member.
        dims_of = zip(given, (0, 1, 0, 1), strict=True)
        members = [None if one is None else dim for one, dim in dims_of]
        dims = (0, 1, *members)
        call = _over_members(lambda p, *args: functional_call(unrolled, p, args), dims, 1)
        found: Tensor = call(self._named(views), xs, *given)
        return found

    @cached_property
    def driven(self) -> int:
        """How many numbers reach the units in a step, N (of a core that says so)."""
        given = self.module.embedded(torch.zeros(1, self.module.inputs))
        return int(self.module.core.drive(given, self.module.initial_state(1)).shape[1])

    @staticmethod
    def _named(views: dict[str, Tensor]) -> dict[str, Tensor]:
        return {f"net.{name}": view for name, view in views.items()}
