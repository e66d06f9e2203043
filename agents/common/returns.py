"""Returns, advantages, prediction errors and means, as pure functions (notation of rlax).

Every function takes and returns tensors with a leading time axis, ``[T, ...]`` (in training
``[T, P, B]``: steps, members, episodes). Row i belongs to step t = i + 1 of an episode with states
s_0 ... s_T. The arguments, where a function says no more of them:

| name         | row i (t = i + 1) | meaning                                               |
|--------------|-------------------|-------------------------------------------------------|
| `r_t`        | r_t               | reward for the action chosen in s_{t-1}               |
| `discount_t` | d_t               | gamma times (1 if s_t is not terminal, else 0)        |
| `v_tm1`      | v_{t-1}           | value of the state in which the action was chosen     |
| `v_t`        | v_t               | value of the state that followed (`next_values`)      |
| `rho_tm1`    | rho_{t-1}         | pi / mu of the action chosen in s_{t-1}               |

`discount_t` is a number or a tensor with as many axes as `r_t` that broadcasts to it: ``[1, P, 1]``
gives each member its own. Tensors that do not fit `r_t` raise a ValueError, other number types a
TypeError. The value of s_T is 0, because the horizon is part of our tasks. Where episodes in a
batch end at different steps, the steps after an end carry reward 0 and discount 0: returns are 0
there and nothing after an end reaches the steps before it (advantages there are -v_{t-1}: mask
them).

Nothing is detached here. Gradients flow through whatever is given, so the caller detaches the
values that go into a target or an advantage.

Means over the steps that count take weights, because episodes in a batch may end at different
steps: see `step_weights`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

SMALL = 1e-25  # of powers of a decay; a float32 has 1e-38


class Estimate(NamedTuple):
    """What a learner needs of one trajectory.

    Attributes:
        advantages: Weights of the policy gradient at t - 1 in [0, T-1], shape ``[T, ...]``.
        targets: Regression targets of v_{t-1}, shape ``[T, ...]``.
    """

    advantages: Tensor
    targets: Tensor


def next_values(v_tm1: Tensor) -> Tensor:
    """Return v_t, t in [1, T]: the values v_{t-1} shifted by one step, with v_T = 0."""
    return torch.cat([v_tm1[1:], torch.zeros_like(v_tm1[:1])])


def monte_carlo(r_t: Tensor, discount_t: Tensor | float) -> Tensor:
    """Return the discounted sum of the rewards to the end of the episode.

    For t = T, ..., 1, from G_T = 0:

        G_{t-1} = r_t + d_t G_t

    Source: Sutton & Barto (2018), equation 3.9.
    """
    return _accumulate(r_t, _discounts(discount_t, r_t), torch.zeros_like(r_t[0]))


def n_step(r_t: Tensor, discount_t: Tensor | float, v_t: Tensor, n: int) -> Tensor:
    """Return the discounted sum of the next n rewards, then the value of the state reached.

    For t in [1, T], with k = min(t + n - 1, T), the return is cut at the last state:

        G_{t-1} = r_t + d_t (r_{t+1} + d_{t+1} (... + d_{k-1} (r_k + d_k v_k)))

    From n = T on this is the Monte Carlo return, with the last of `v_t` (which need not be 0) at
    its end. Source: Sutton & Barto (2018), equation 7.1.

    Raises:
        ValueError: If n is below 1 or shapes do not agree.
    """
    _check_alike(v_t, r_t, "v_t")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    discount_t = _discounts(discount_t, r_t)
    if n >= len(r_t):
        return _accumulate(r_t, discount_t, v_t[-1])
    reached = torch.cat([v_t[n - 1 :], v_t[-1:].expand(n - 1, *v_t.shape[1:])])
    return _accumulate_next(r_t, discount_t, n, reached)


def rpe(r_t: Tensor, discount_t: Tensor | float, v_tm1: Tensor, v_t: Tensor) -> Tensor:
    """Return the reward prediction error, the dopamine signal, in units of reward.

    For t in [1, T]:

        delta_t = r_t + d_t v_t - v_{t-1}

    Source: Montague, Dayan & Sejnowski (1996); Wang et al. (2018), Methods (there written
    delta_t = r_t + gamma V(s_{t+1}) - V(s_t), with r_t the reward for the action chosen in s_t).
    """
    _check_alike(v_tm1, r_t, "v_tm1")
    _check_alike(v_t, r_t, "v_t")
    return torch.addcmul(r_t, _discounts(discount_t, r_t), v_t) - v_tm1


def gae(r_t: Tensor, discount_t: Tensor | float, v_tm1: Tensor, lambda_: float = 1.0) -> Estimate:
    """Return generalised advantage estimates and lambda-return targets.

    For t = T, ..., 1, from A_T = v_T = 0 and with `lambda_` in [0, 1]:

        delta_t = r_t + d_t v_t - v_{t-1}
        A_{t-1} = delta_t + d_t lambda A_t
        target_{t-1} = A_{t-1} + v_{t-1}

    lambda = 1 gives the Monte Carlo return less the value, lambda = 0 the prediction error.
    Source: Schulman et al. (2016), equation 16.
    """
    discount_t = _discounts(discount_t, r_t)
    delta_t = rpe(r_t, discount_t, v_tm1, next_values(v_tm1))
    advantages = _accumulate(delta_t, discount_t * lambda_, torch.zeros_like(r_t[0]))
    return Estimate(advantages, advantages + v_tm1)


def estimate(
    r_t: Tensor, discount_t: Tensor, v_tm1: Tensor, lambda_: float = 1.0, n: int | None = None
) -> Estimate:
    """Return advantages and targets: `gae`, or with n those of `n_step` returns."""
    if n is None:
        return gae(r_t, discount_t, v_tm1, lambda_)
    targets = n_step(r_t, discount_t, next_values(v_tm1), n)
    return Estimate(targets - v_tm1, targets)


def vtrace(
    r_t: Tensor,
    discount_t: Tensor | float,
    v_tm1: Tensor,
    rho_tm1: Tensor,
    *,
    rho_bar: float = 1.0,
    c_bar: float = 1.0,
    lambda_: float = 1.0,
    n: int | None = None,
) -> Estimate:
    """Return off-policy corrected value targets and advantages.

    For t = T, ..., 1, from x_T = v_T = 0:

        delta_t = min(rho_bar, rho_{t-1}) (r_t + d_t v_t - v_{t-1})
        x_{t-1} = delta_t + d_t lambda min(c_bar, rho_{t-1}) x_t
        target_{t-1} = v_{t-1} + x_{t-1}
        A_{t-1} = min(rho_bar, rho_{t-1}) (r_t + d_t (v_t + lambda x_t) - v_{t-1})

    With every ratio 1 (on policy) and c_bar >= 1 this is `gae`: for lambda = 1 the targets are the
    n-step returns to the end. With n, the sum in x_{t-1} stops after n terms, the x_t in A_{t-1}
    after n - 1, and on policy the targets are those of `n_step`. rho_bar decides which policy's
    value is the fixed point, c_bar how far a correction reaches back.
    Source: Espeholt et al. (2018), equation 1, Remarks 1 and 2 and section 4.2.

    Raises:
        ValueError: If c_bar exceeds rho_bar, n is below 1, or shapes do not agree.
    """
    if c_bar > rho_bar:
        raise ValueError(f"c_bar must not exceed rho_bar, got c_bar={c_bar}, rho_bar={rho_bar}")
    if n is not None and n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    _check_alike(rho_tm1, r_t, "rho_tm1")
    discount_t = _discounts(discount_t, r_t)
    rho = rho_tm1.clamp(max=rho_bar)
    v_t = next_values(v_tm1)
    delta_t = rho * rpe(r_t, discount_t, v_tm1, v_t)
    decay_t = discount_t * rho_tm1.clamp(max=c_bar) * lambda_
    none = torch.zeros_like(r_t)
    if n is None or n >= len(r_t):
        corrections = reaching = _accumulate(delta_t, decay_t, none[0])  # target - v, at t - 1
    else:
        corrections = _accumulate_next(delta_t, decay_t, n, none)
        reaching = _accumulate_next(delta_t, decay_t, n - 1, none)
    following = v_t + lambda_ * next_values(reaching)
    advantages = rho * rpe(r_t, discount_t, v_tm1, following)
    return Estimate(advantages, v_tm1 + corrections)


def step_weights(mask: Tensor | None, like: Tensor) -> Tensor:
    """Return weights ``[T, P, B]`` of sum 1 per member over the steps that count.

    The mask ``[T, P, B]`` is 1 for those. Without one all count, and the weight is the number 1, of
    the type and on the device of `like`.
    """
    if mask is None:
        return torch.ones((), dtype=like.dtype, device=like.device)
    return mask / mask.sum((0, 2), keepdim=True)


def mean(x: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of each member, ``[P]``, of ``[T, P, B]`` with weights of `step_weights`."""
    return (x * weight).sum((0, 2)) if weight.dim() else x.mean((0, 2))


def actor_critic_loss(
    value_coef: float,
    gain: Tensor,
    entropy: Tensor,
    value_error: Tensor,
    weight: Tensor,
    entropy_coef: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return -gain + value_coef · error² - entropy_coef · H, the mean over steps, and its parts.

    Args:
        value_coef: Weight of the squared value errors.
        gain: Advantage times log-probability of the action, ``[T, P, B]``.
        entropy: Of the policy, ``[T, P, B]``, nats.
        value_error: Squared errors of the values, ``[T, P, B]``.
        weight: Of each step, see `step_weights`.
        entropy_coef: Weight of the entropy bonus, ``[P]``.
    """
    entropy = mean(entropy, weight)
    value_loss = mean(value_error, weight)
    policy_loss = -mean(gain, weight)
    loss = policy_loss + value_coef * value_loss - entropy_coef * entropy
    return loss, {"entropy": entropy, "value_loss": value_loss, "policy_loss": policy_loss}


def deviation(x: Tensor, weight: Tensor) -> Tensor:
    """Return the standard deviation of each member, ``[P]``; arguments as of `mean`."""
    return mean((x - mean(x, weight).view(1, -1, 1)).square(), weight).sqrt()


def root_mean_square(x: Tensor, weight: Tensor) -> Tensor:
    """Return the root of the mean square of each member, ``[P]``; arguments as of `mean`."""
    return mean(x.square(), weight).sqrt()


def normalise(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``[T, P, B]`` with mean 0 and deviation 1 for each member; arguments as of `mean`."""
    centred = x - mean(x, weight).view(1, -1, 1)
    return centred / (mean(centred.square(), weight).sqrt().view(1, -1, 1) + 1e-8)


def by_member(x: Tensor) -> Tensor:
    """Return ``[T, P, B]`` as ``[P, T * B]``."""
    return x.transpose(0, 1).flatten(1)


def count_steps(mask: Tensor | None, actions: Tensor) -> Tensor:
    """Return the environment steps of each member, ``[P]`` float64; mask as of `step_weights`."""
    steps, members, batch = actions.shape[:3]
    if mask is None:
        return torch.full((members,), float(steps * batch), dtype=torch.float64)
    return mask.sum((0, 2)).to("cpu", torch.float64)


def _accumulate_next(x_t: Tensor, decay_t: Tensor, n: int, reached: Tensor) -> Tensor:
    """Return x_t + decay_t (x_{t+1} + ... decay_{t+n-1} reached_t) for every t.

    Past the end x is 0 and the decay 1, which carry `reached` back unchanged.
    """
    steps = len(x_t)
    padding = x_t.new_zeros(n, *x_t.shape[1:])
    xs = torch.cat([x_t, padding])
    decays = torch.cat([decay_t.expand_as(x_t), torch.ones_like(padding)])
    for i in reversed(range(n)):
        reached = torch.addcmul(xs[i : i + steps], decays[i : i + steps], reached)
    return reached


def _accumulate(x_t: Tensor, decay_t: Tensor, last: Tensor) -> Tensor:
    """Return y_{t-1} = x_t + decay_t y_t for t = T, ..., 1 from y_T = `last`; ``[T, ...]``.

    Where the decay d is the same at all steps, long ones are ``d^-t sum over s >= t of d^s x_s``,
    unless the powers are too small. Else they take 3 √T operations: √T blocks step by step at once,
    as if 0 followed each; what follows each, block by block; then both together. Differentiable.
    """
    decay_t = decay_t.view(decay_t.shape or [1] * x_t.ndim)
    if len(decay_t) == 1 and len(x_t) >= 40:
        steps = torch.arange(len(x_t) + 1, dtype=x_t.dtype, device=x_t.device)
        powers = decay_t ** steps.view(-1, *[1] * (x_t.ndim - 1))
        if powers.min() > SMALL:
            sums = (torch.cat([x_t, last[None]]) * powers).flip(0).cumsum(0).flip(0)
            return (sums / powers)[:-1]
    decay_t = decay_t.expand(len(x_t), *decay_t.shape[1:])
    if len(x_t) < 40:
        return torch.stack(_from_the_end(x_t, decay_t, last))
    size = math.isqrt(len(x_t))
    missing = -len(x_t) % size  # steps before the first, so that all blocks are full
    xs, decays = (
        torch.cat([part.new_zeros(missing, *part.shape[1:]), part]).unflatten(0, (-1, size))
        for part in (x_t, decay_t)
    )
    within = _from_the_end(xs.transpose(0, 1), decays.transpose(0, 1), torch.zeros_like(xs[:, 0]))
    reach = decays.flip(1).cumprod(1).flip(1)  # of what follows a block, at its steps
    after = torch.stack([*_from_the_end(within[0], reach[:, 0], last)[1:], last]).unsqueeze(1)
    return torch.addcmul(torch.stack(within, 1), reach, after).flatten(0, 1)[missing:]


def _from_the_end(x_t: Tensor, decay_t: Tensor, y: Tensor) -> list[Tensor]:
    """Return the rows of `_accumulate`, one fused operation a step."""
    rows = []
    for x, decay in zip(reversed(x_t.unbind(0)), reversed(decay_t.unbind(0)), strict=True):
        y = torch.addcmul(x, decay, y)
        rows.append(y)
    return rows[::-1]


def _check_alike(tensor: Tensor, r_t: Tensor, name: str) -> None:
    """Refuse a tensor whose shape would broadcast silently against the rewards."""
    if tensor.shape != r_t.shape:
        raise ValueError(
            f"{name} must have the shape of r_t, {list(r_t.shape)}, got {list(tensor.shape)}"
        )
    if tensor.dtype != r_t.dtype:
        raise TypeError(f"{name} must have the dtype of r_t, {r_t.dtype}, got {tensor.dtype}")


def _discounts(value: Tensor | float, r_t: Tensor) -> Tensor:
    """Return a number, or a tensor with the axes of r_t, each of its length or 1."""
    if r_t.ndim == 0 or len(r_t) == 0:
        raise ValueError(f"r_t must be [T, ...] with T at least 1, got {list(r_t.shape)}")
    if not r_t.is_floating_point():
        raise TypeError(f"r_t must be a floating-point tensor, got {r_t.dtype}")
    tensor = torch.as_tensor(value, dtype=r_t.dtype, device=r_t.device)
    unlike = any(size not in (1, full) for size, full in zip(tensor.shape, r_t.shape, strict=False))
    if tensor.ndim and (tensor.ndim != r_t.ndim or unlike):
        raise ValueError(
            f"discount_t must be a number or broadcast axis by axis to r_t, {list(r_t.shape)}, "
            f"got {list(tensor.shape)}"
        )
    return tensor
