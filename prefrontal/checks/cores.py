"""All that is checked of a core, in the order in which it must be right."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from prefrontal.agents.common.user_files import blamed
from prefrontal.agents.networks.cores import at_once
from prefrontal.agents.networks.vectorised import Net, Vectorised
from prefrontal.checks.calls import (
    Wrong,
    called,
    on_its_device,
    pure,
    random_states,
    said,
    same,
    shaped,
    tensors,
)

INPUTS, UNITS, BATCH, MEMBERS, STEPS = 3, 24, 5, 2, 4  # all different, so that they tell
LARGE = 1e4  # inputs that a core must survive


#: What PyTorch says of operations that cannot be mapped over members, and what they do.
UNMAPPED = {
    "data-dependent control flow": "has an if or while that depends on a tensor: use torch.where",
    ".item()": "asks for the number in a tensor (.item()): compute with the tensor",
    "data pointer": "takes numbers out of PyTorch (numpy, tolist): compute with tensors",
    "dynamic shape": "makes a tensor whose size depends on numbers (a mask as an index, nonzero): "
    "use torch.where",
}


def core_problems(cls: type[nn.Module]) -> Iterator[str]:
    """Yield what is wrong with a class of a core; takes less than a second.

    Args:
        cls: The class.

    Raises:
        Wrong: The last problem, after which nothing can be checked.
    """
    name = cls.__name__
    core = _made(cls)
    found = [
        f"{name}.{key} is a buffer: make it a parameter, or part of the state"
        for key, _ in core.named_buffers()
    ]
    yield from found
    if found:
        raise Wrong("")
    state = _initial(core)
    x = torch.randn(BATCH, INPUTS, generator=torch.Generator().manual_seed(0))
    _, after = _step(core, x, state)
    _step(core, x, after)  # what it does to a state of zeros may not be seen
    on_its_device(f"{name}.forward", core, x, state)
    yield from _half_problems(core, x, after)
    yield from _sequence_problems(core, state)  # the initial one
    _check_reset(core, after)
    yield from _row_problems(core, x, after)
    yield from _dependence_problems(core, x, state)
    yield from _gradient_problems(core, x, state)
    yield from _weight_problems(cls)
    yield from _population_problems(core)
    yield from _size_problems(core, state)


def _made(cls: type[nn.Module]) -> Any:
    """Return a core, its weights drawn.

    Raises:
        Wrong: It cannot be made, or lacks a method.
    """
    name = cls.__name__
    missing = [key for key in ("initial_state", "forward") if key not in _methods(cls)]
    if missing:
        raise Wrong(
            f"{name} lacks {' and '.join(missing)}: `prefrontal new core FILE.py` shows one"
        )
    _fits(f"{name}.__init__", cls, "(input_size, hidden_size)", 2)
    torch.manual_seed(0)
    core = called(f"{name}(input_size={INPUTS}, hidden_size={UNITS})", cls, INPUTS, UNITS)
    _fits(f"{name}.initial_state", core.initial_state, "(batch)", 1)
    _fits(f"{name}.forward", core.forward, "(x, state)", 2)
    for key, value in core.named_parameters():
        if value.dtype != torch.float32:
            raise Wrong(f"{name}.{key} must be float32, not {str(value.dtype)[6:]}")
    _initialise(core, 0)
    return core


def _methods(cls: type[Any]) -> set[str]:
    return {key for base in cls.__mro__ if base is not nn.Module for key in vars(base)}


def _fits(where: str, function: Any, right: str, count: int) -> None:
    """Raise Wrong unless a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError as error:
        raise Wrong(f"{where} must take {right}: {error}") from error


def _initialise(core: Any, seed: int) -> None:
    """Draw the weights of a core that says how."""
    if not hasattr(core, "initialise"):
        return
    where = f"{type(core).__name__}.initialise"
    _fits(where, core.initialise, "(generator, input_gain, forget_bias)", 3)
    before = random_states()
    called(where, core.initialise, torch.Generator().manual_seed(seed), 1.0, 1.0)
    for key, value in random_states().items():
        if not same(value, before[key]):
            raise Wrong(f"{where} draws numbers from {key}: draw from the generator it is given")


def _initial(core: Any) -> tuple[Tensor, ...]:
    """Return the initial state, checked."""
    where = f"{type(core).__name__}.initial_state"
    state = pure(where, core, core.initial_state, BATCH)
    _check_state(where, state)
    return state


def _check_state(where: str, state: Any, like: tuple[Tensor, ...] | None = None) -> None:
    """Raise Wrong unless a state is a tuple of tensors ``[B, ...]``, shaped as that before."""
    if not isinstance(state, tuple) or not all(isinstance(part, Tensor) for part in state):
        what = type(state).__name__
        if isinstance(state, tuple):
            what = f"a tuple of {', '.join(type(part).__name__ for part in state)}"
        one = "; of one tensor it is (h,)" if isinstance(state, Tensor) else ""
        raise Wrong(f"{where} must return the state as a tuple of tensors, not {what}{one}")
    if like is not None and len(like) != len(state):
        raise Wrong(f"{where}: the state has {len(state)} tensors, and {len(like)} at the start")
    for number, part in enumerate(state):
        if not part.is_floating_point():
            raise Wrong(f"{where}: tensor {number} of the state must be float32, not {part.dtype}")
        if like is None and (part.dim() == 0 or len(part) != BATCH):
            raise Wrong(
                f"{where}: tensor {number} of the state must be [batch, ...], not "
                f"{list(part.shape)} for batch = {BATCH}"
            )
        if like is not None and (wrong := shaped(part, tuple(like[number].shape))):
            raise Wrong(f"{where}: tensor {number} of the state {wrong}, as at the start")


def _step(core: Any, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Take a step, checked."""
    where = f"{type(core).__name__}.forward"
    made = pure(where, core, core.forward, x, state)
    if not isinstance(made, tuple) or len(made) != 2:
        kind = f"{len(made)} values" if isinstance(made, tuple) else type(made).__name__
        raise Wrong(f"{where} must return (features, state), not {kind}")
    if wrong := shaped(made[0], (BATCH, UNITS)):
        raise Wrong(f"{where}: the features {wrong}: [batch, hidden_size]")
    _check_state(where, made[1], state)
    return made


def _half_problems(core: Any, x: Tensor, state: tuple[Tensor, ...]) -> Iterator[str]:
    """Yield that `drive` and `advance`, where there are both, are not the halves of `forward`."""
    name, there = type(core).__name__, [hasattr(core, key) for key in ("drive", "advance")]
    if not any(there):
        return
    if not all(there):
        yield f"{name} has one of drive and advance: it needs both, or neither"
        return
    _fits(f"{name}.drive", core.drive, "(x, state)", 2)
    _fits(f"{name}.advance", core.advance, "(pre, state)", 2)
    pre = pure(f"{name}.drive", core, core.drive, x, state)
    if not isinstance(pre, Tensor) or pre.dim() != 2 or len(pre) != BATCH:
        yield f"{name}.drive must return what reaches the units, one tensor [batch, N]"
        return
    made = pure(f"{name}.advance", core, core.advance, pre, state)
    if not same(made, core(x, state), 1e-5):
        yield f"{name}.advance(drive(x, state), state) is not what forward(x, state) is"


def _sequence_problems(core: Any, state: tuple[Tensor, ...]) -> Iterator[str]:
    """Yield that `sequence`, where there is one, is not `forward` step by step."""
    if not hasattr(core, "sequence"):
        return
    where, steps = f"{type(core).__name__}.sequence", []
    _fits(where, core.sequence, "(xs, state)", 2)
    xs = torch.randn(STEPS, BATCH, INPUTS, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        now = state
        for x in xs:
            features, now = core(x, now)
            steps.append(features)
        for given, what in ((state, "the state"), (None, "None, the initial state")):
            made = pure(f"{where} with {what}", core, core.sequence, xs, given)
            if not same(made, torch.stack(steps), 1e-4):
                yield f"{where} with {what} is not what forward gives step by step"


def _check_reset(core: Any, state: tuple[Tensor, ...]) -> None:
    """Raise Wrong where `reset`, if there is one, gives no state."""
    if not hasattr(core, "reset"):
        return
    where = f"{type(core).__name__}.reset"
    _fits(where, core.reset, "(state)", 1)
    _check_state(where, pure(where, core, core.reset, state), state)


def _row_problems(core: Any, x: Tensor, state: tuple[Tensor, ...]) -> Iterator[str]:
    """Yield whether an episode depends on the others of its batch."""
    name, whole = f"{type(core).__name__}.forward", core(x, state)
    for row in (0, BATCH - 1):
        part = slice(row, row + 1)
        one = called(
            f"{name} of one row", core.forward, x[part], tuple(value[part] for value in state)
        )
        if not same(one, (whole[0][part], tuple(value[part] for value in whole[1])), 1e-4):
            yield f"{name}: a row depends on the others of its batch: keep episodes apart"
            return


def _dependence_problems(core: Any, x: Tensor, state: tuple[Tensor, ...]) -> Iterator[str]:
    """Yield that features do not depend on the inputs, now or a step later."""
    made = []
    for inputs in (x, x.flip(0)):
        first, after = core(inputs, state)
        made.append((first, core(x, after)[0]))
    if same(made[0], made[1], 1e-7):
        yield (
            f"{type(core).__name__}.forward ignores x, or is not differentiable (round, argmax): "
            "its features stay the same whatever the inputs are"
        )


def _gradient_problems(core: Any, x: Tensor, state: tuple[Tensor, ...]) -> Iterator[str]:
    """Yield parameters that are not used, or not reached by the gradient."""
    name, parameters = type(core).__name__, dict(core.named_parameters())
    for key, parameter in parameters.items():
        if not parameter.requires_grad:
            raise Wrong(
                f"{name}.{key} is frozen, and would be learned all the same: all parameters are"
            )
    if not parameters:
        return
    total = torch.zeros(())
    for _ in range(STEPS):
        features, state = core(x, state)
        total = total + (features * torch.linspace(-1, 2, UNITS)).sum()
    if not total.requires_grad:
        raise Wrong(f"{name}.forward: the features carry no gradient: leave out detach and no_grad")
    gradients = called(
        f"{name}.forward: the gradient",
        lambda: torch.autograd.grad(total, list(parameters.values()), allow_unused=True),
    )
    if not any(gradient is not None and bool(gradient.any()) for gradient in gradients):
        raise Wrong(
            f"{name}.forward is not differentiable: the gradient of all its parameters is zero (of "
            "round, sign and comparisons it always is)"
        )
    for key, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:
            yield f"{name}.{key} is a parameter without a gradient: use it in forward, or remove it"


def _weight_problems(cls: type[nn.Module]) -> Iterator[str]:
    """Yield that weights do not follow from the seed alone."""
    made = []
    for _ in range(2):
        torch.manual_seed(1)
        core: Any = cls(INPUTS, UNITS)
        _initialise(core, 1)
        made.append({key: value.detach() for key, value in core.named_parameters()})
    if not same(made[0], made[1]):
        how = "initialise" if hasattr(cls, "initialise") else "__init__"
        yield f"{cls.__name__}.{how}: the weights differ for the same seed: draw them with torch"


class _WithHead(Net):
    """A core as `Vectorised` takes it; its read-outs are the features."""

    def __init__(self, core: nn.Module) -> None:
        nn.Module.__init__(self)
        self.core, self.head = core, nn.Identity()  # type: ignore[assignment]
        self.scale = nn.Parameter(torch.ones(1))  # a core may have none
        self.embedding, self.trial_row, self.intervention = None, None, None
        self.at_once = at_once(type(core))


def _population_problems(core: Any) -> Iterator[str]:
    """Yield what does not work where a population is mapped over its members."""
    name, net = f"{type(core).__name__}.forward", _WithHead(core)
    mapped = Vectorised(net)
    flat = torch.cat([value.detach().flatten() for value in net.parameters()])
    generator = torch.Generator().manual_seed(2)
    rows = flat + 0.1 * torch.randn(MEMBERS, len(flat), generator=generator)
    xs = torch.randn(STEPS, MEMBERS, BATCH, INPUTS, generator=generator)
    views = mapped.views(rows)

    def play() -> Tensor:
        state, steps = mapped.initial_state(views, BATCH), []
        for x in xs:
            features, _, state = mapped.step(views, x, state)
            steps.append(features)
        return torch.stack(steps)

    made = _mapped(name, play)
    named = {f"core.{key}" for key, _ in core.named_parameters()}
    for member in range(MEMBERS):
        own = copy.deepcopy(core)
        weights = {key[len("core.") :]: one[member] for key, one in views.items() if key in named}
        own.load_state_dict(weights)
        state = own.initial_state(BATCH)
        for x, expected in zip(xs[:, member], made[:, member], strict=True):
            features, state = own(x, state)
            if not same(features.detach(), expected.detach(), 1e-4):
                yield f"{name} gives something else when it is mapped over members"
                return
    if not named:
        return
    leaves = rows.clone().requires_grad_()
    (unrolled,) = _mapped(
        name,
        lambda: torch.autograd.grad(
            mapped.unroll(mapped.views(leaves), xs, None).sum(), leaves, materialize_grads=True
        ),
    )
    if not bool(unrolled.isfinite().all()):
        yield f"{name}: the gradient is not finite (NaN or infinite)"


def _mapped(name: str, function: Callable[[], Any]) -> Any:
    """Call what maps a core over members.

    Raises:
        Wrong: It raised; says in our words what cannot be mapped.
    """
    try:
        return function()
    except Exception as error:
        text = said(error)
        for sign, does in UNMAPPED.items():
            if sign in text:
                place = text[text.rindex(" (") :] if blamed(error) else ""
                raise Wrong(f"{name} {does}{place}") from error
        hint = ": use operations that torch.func.vmap maps over members"
        raise Wrong(f"{name} mapped over members raises {text}{hint}") from error


def _size_problems(core: Any, state: tuple[Tensor, ...]) -> Iterator[str]:
    """Yield that large inputs make numbers that are not finite."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for step in range(5 * STEPS):
            x = LARGE * torch.randn(BATCH, INPUTS, generator=generator)
            made = core(x, state)
            if not all(bool(part.isfinite().all()) for part in tensors(made)):
                yield (
                    f"{type(core).__name__}.forward is not finite at step {step} of inputs of size "
                    f"{LARGE:g}: bound what grows (tanh, sigmoid)"
                )
                return
            state = made[1]
