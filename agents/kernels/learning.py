"""Compiled parts of a learner on CPUs: optimiser, loss of one softmax, fit of privileged critics.

The same as `prefrontal.agents.common` and `prefrontal.agents.a2c.critic` compute with PyTorch, in a
few calls instead of some hundred small operations.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from prefrontal.agents.common import returns
from prefrontal.agents.common.optim import BETA_1, Optimiser
from prefrontal.agents.common.policies import ActorCriticLoss
from prefrontal.agents.common.returns import Estimate
from prefrontal.agents.kernels.build import KernelError, available, compiled


def _fields(numbers: str, addresses: str, reals: str = "") -> list[tuple[str, Any]]:
    kinds = (numbers, ctypes.c_int64), (addresses, ctypes.c_void_p), (reals, ctypes.c_double)
    return [(name, kind) for names, kind in kinds for name in names.split()]


class _Step(ctypes.Structure):
    """The struct ``Step`` of ``learning.cpp``."""

    _fields_ = _fields(
        "P n count adam rate_row rate_column",
        "parameters first second gradient rate",
        "decay beta epsilon",
    )


class _Loss(ctypes.Structure):
    """The struct ``Loss`` of ``learning.cpp``."""

    _fields_ = _fields(
        "T P B K logits_t logits_p values_t values_p",
        "logits values d_logits d_values actions advantages targets weight old entropy_coef unit "
        "parts",
        "value_coef clip",
    )


class _Returns(ctypes.Structure):
    """The struct ``Returns`` of ``learning.cpp``."""

    _fields_ = _fields(
        "T P B discount_t discount_p discount_b",
        "rewards discount values advantages targets",
        "lambda_",
    )


class _Critic(ctypes.Structure):
    """The struct ``Critic`` of ``learning.cpp``."""

    _fields_ = (
        *_fields("P F S U passes", "features targets weight values error kept gradient scratch"),
        ("max_norm", ctypes.c_double),
        ("step", _Step),
    )


@functools.cache
def _library(dtype: torch.dtype) -> Any:
    """Return ``learning.cpp``, compiled for float32 or float64."""
    found = compiled("learning", "float" if dtype == torch.float32 else "double")
    structs = {"step": _Step, "loss": _Loss, "returns": _Returns, "critic": _Critic}
    for name, struct in structs.items():
        here, there = ctypes.sizeof(struct), getattr(found, f"{name}_size")()
        if here != there:
            raise KernelError(f"{struct.__name__} has {here} bytes here and {there} in C++")
    address, number = ctypes.c_void_p, ctypes.c_int64
    found.clip_rows.argtypes = [number, number, address, ctypes.c_double, address]
    found.critic_scratch.argtypes, found.critic_scratch.restype = [number, number], number
    found.standardise.argtypes = [number] * 3 + [address] * 4
    for name in ("optimiser_step", "choices_loss", "generalised_advantages"):
        getattr(found, name).argtypes = [address]
    found.critic_values.argtypes = found.critic_fit.argtypes = [address]
    return found


def usable(like: Tensor) -> bool:
    """Return whether compiled code may compute with tensors like this one."""
    return like.dtype == torch.float32 and like.is_cpu and available("learning")


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


# OPTIMISER


def make_optimiser(like: Tensor, rule: Literal["adam", "rmsprop"], epsilon: float) -> Optimiser:
    """Return an optimiser, the fastest one that there is; arguments as of `Optimiser`."""
    return (CompiledOptimiser if usable(like) else Optimiser)(like, rule, epsilon)


class CompiledOptimiser(Optimiser):
    """The same rules, each step in one call."""

    def clip(self, gradient: Tensor, max_norm: float) -> Tensor:
        """See `Optimiser.clip`."""
        if not gradient.is_contiguous():
            return super().clip(gradient, max_norm)
        norm, call = gradient.new_empty(len(gradient)), _library(gradient.dtype).clip_rows
        call(*gradient.shape, gradient.data_ptr(), max_norm, norm.data_ptr())
        return norm

    def step(self, parameters: Tensor, gradient: Tensor, learning_rate: float | Tensor) -> None:
        """See `Optimiser.step`."""
        if not parameters.is_contiguous():
            return super().step(parameters, gradient, learning_rate)
        self.count += 1
        rate, gradient = self.rates(learning_rate), gradient.contiguous()
        struct = self.struct(parameters, rate)
        struct.gradient = gradient.data_ptr()
        _library(parameters.dtype).optimiser_step(ctypes.byref(struct))

    def rates(self, learning_rate: float | Tensor) -> Tensor:
        """Return step sizes, ``[P or 1, n or 1]``, of the right type."""
        if not isinstance(learning_rate, Tensor):
            return self.first.new_full((1, 1), learning_rate)
        return learning_rate.to(self.first.dtype)

    def struct(self, parameters: Tensor, rate: Tensor) -> _Step:
        """Describe the step that comes, at these rates; all tensors must outlive it."""
        strides = (rate.stride(i) if rate.shape[i] > 1 else 0 for i in range(2))
        numbers = *parameters.shape, self.count, int(self.rule == "adam"), *strides
        addresses = (each.data_ptr() for each in (parameters, self.first, self.second))
        return _Step(*numbers, *addresses, None, rate.data_ptr(), self.decay, BETA_1, self.epsilon)


# RETURNS


def estimate(
    r_t: Tensor, discount_t: Tensor, v_tm1: Tensor, lambda_: float = 1.0, n: int | None = None
) -> Estimate:
    """Return advantages and targets ``[T, P, B]``; see `prefrontal.agents.common.returns`."""
    if n is not None or not usable(r_t):
        return returns.estimate(r_t, discount_t, v_tm1, lambda_, n)
    return compiled_gae(r_t, discount_t, v_tm1, lambda_)


def compiled_gae(r_t: Tensor, discount_t: Tensor, v_tm1: Tensor, lambda_: float) -> Estimate:
    """Return what `gae` does; discounts have three axes, of length 1 where all are alike."""
    r_t, v_tm1 = r_t.contiguous(), v_tm1.contiguous()
    strides = (discount_t.stride(i) if discount_t.shape[i] > 1 else 0 for i in range(3))
    found = Estimate(torch.empty_like(r_t), torch.empty_like(r_t))
    arrays = r_t, discount_t, v_tm1, *found
    struct = _Returns(*r_t.shape, *strides, *map(_address, arrays), lambda_)
    _library(r_t.dtype).generalised_advantages(ctypes.byref(struct))
    return found


def deviation(x: Tensor, weight: Tensor) -> Tensor:
    """Return deviations ``[P]``; see `prefrontal.agents.common.returns`."""
    return standardised(x, weight, False)[0] if usable(x) else returns.deviation(x, weight)


def normalise(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``[T, P, B]`` with deviation 1; see `prefrontal.agents.common.returns`."""
    return standardised(x, weight)[1] if usable(x) else returns.normalise(x, weight)


def standardised(x: Tensor, weight: Tensor, whole: bool = True) -> tuple[Tensor, Tensor]:
    """Return deviations and, unless not `whole`, what `normalise` does, by compiled code."""
    x, weight = x.contiguous(), weight.contiguous()
    found, out = x.new_empty(x.shape[1]), torch.empty_like(x) if whole else x
    arrays = x, weight if weight.dim() else None, found, out if whole else None
    _library(x.dtype).standardise(*x.shape, *map(_address, arrays))
    return found, out


# LOSS


class ChoicesLoss:
    """The loss of `ActorCriticLoss.of_choices`, and where its gradient is written; called once.

    Args:
        told: What the loss needs.
        heads: Read-outs of one network or two, ``[T, P, O, B]`` each, contiguous. The last one of
            the last network is the value, all others are logits. There may be steps more.

    Attributes:
        slopes: The gradient by each of the `heads`; of steps more it is 0.
        struct: What compiled code is told; it must not outlive this object.
    """

    def __init__(self, told: ActorCriticLoss, heads: Sequence[Tensor]) -> None:
        steps, members, batch = told.actions.shape
        first, last, both = heads[0], heads[-1], len(heads) > 1
        self.slopes = [torch.empty_like(each) for each in heads]
        for each in self.slopes if len(first) > steps else ():
            each[steps:] = 0
        self._parts, size = first.new_empty(4, members), first.element_size()
        ends = heads[-1], self.slopes[-1]
        values = [each.data_ptr() + (last.shape[2] - 1) * batch * size for each in ends]
        old, weight = None if told.clip is None else told.old, told.weight
        played = told.actions, told.advantages, told.targets, weight if weight.dim() else None
        given = *played, old, told.entropy_coef, told.unit
        self._kept = [None if each is None else each.contiguous() for each in given], heads
        self._call = _library(first.dtype).choices_loss
        self.struct = _Loss(
            *(steps, members, batch, first.shape[2] - (not both)),
            *(*first.stride()[:2], *last.stride()[:2]),
            *(first.data_ptr(), values[0], self.slopes[0].data_ptr(), values[1]),
            *map(_address, (*self._kept[0], self._parts)),
            *(told.value_coef, told.clip or 0.0),
        )

    def __call__(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Write the gradient; return the loss ``[P]`` and its parts."""
        self._call(ctypes.byref(self.struct))
        return self._parts[0], self.parts()

    def parts(self) -> dict[str, Tensor]:
        """Return the parts of the loss, ``[P]`` each, which the call, or a kernel, has written."""
        return dict(zip(("entropy", "value_loss", "policy_loss"), self._parts[1:], strict=True))


# PRIVILEGED CRITIC


def critic_activity(features: Tensor, units: int) -> Tensor:
    """Return room for the activity of U hidden units, in whole vectors of at most 16 numbers."""
    return features.new_empty(features[:, 0].numel() * -(-units // 16) * 16 + 16)


def critic_values(parameters: Tensor, features: Tensor, units: int, activity: Tensor) -> Tensor:
    """Return the values ``[P, S]`` of perceptrons with U hidden units, see `AsymmetricCritic`.

    Args:
        parameters: ``[P, n]``.
        features: ``[P, F, S]``, S samples of F features, the last of which is 1.
        units: U.
        activity: Is written; see `critic_activity`.
    """
    values = features.new_empty(len(features), features.shape[2])
    struct, _kept = _critic(parameters, features, units, activity, values)
    _library(features.dtype).critic_values(ctypes.byref(struct))
    return values


def critic_fit(
    optimiser: CompiledOptimiser,
    parameters: Tensor,
    features: Tensor,
    units: int,
    activity: Tensor,
    values: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    learning_rate: float | Tensor,
    max_norm: float,
    passes: int,
) -> Tensor:
    """Take some steps on the mean squared error; return the error before the last one, ``[P]``.

    Args:
        optimiser: Of the parameters.
        parameters: ``[P, n]``, change in place.
        features: See `critic_values`.
        units: U.
        activity: What `critic_values` wrote for these features and parameters.
        values: What it returned; is overwritten.
        targets: ``[P, S]``.
        weight: Of each sample, ``[P, S]``; None: 1.
        learning_rate: One number, or one per member ``[P, 1]``.
        max_norm: Largest gradient norm of a member.
        passes: How many steps.
    """
    struct, _kept = _critic(parameters, features, units, activity, values)
    error, rate = targets.new_empty(len(targets)), optimiser.rates(learning_rate)
    targets, weight = targets.contiguous(), None if weight is None else weight.contiguous()
    struct.targets, struct.weight = targets.data_ptr(), _address(weight)
    struct.error, struct.max_norm, struct.passes = error.data_ptr(), max_norm, passes
    optimiser.count += 1
    struct.step = optimiser.struct(parameters, rate)
    optimiser.count += passes - 1
    _library(features.dtype).critic_fit(ctypes.byref(struct))
    return error


def _critic(
    parameters: Tensor, features: Tensor, units: int, activity: Tensor, values: Tensor
) -> tuple[_Critic, Any]:
    """Return what compiled code is told, and what it points to."""
    members, inputs, samples = features.shape
    scratch = features.new_empty(_library(features.dtype).critic_scratch(inputs, units) + 16)
    gradient = parameters.new_empty(len(parameters[0]))
    struct = _Critic(members, inputs, samples, units)
    struct.features, struct.values = features.data_ptr(), values.data_ptr()
    struct.kept, struct.scratch = (x.data_ptr() + -x.data_ptr() % 64 for x in (activity, scratch))
    struct.gradient = gradient.data_ptr()
    struct.step.P, struct.step.n = parameters.shape
    struct.step.parameters = parameters.data_ptr()
    return struct, (gradient, scratch)
