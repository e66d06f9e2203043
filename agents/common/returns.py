"""Returns, advantages, prediction errors and means, as pure functions (notation of rlax).

Every function takes tensors with a leading time axis, ``[T, ...]`` (in training ``[T, P, B]``:
steps, members, episodes). Row i belongs to step t = i + 1 of an episode with states s_0 ... s_T:

| name         | row i (t = i + 1) | meaning                                               |
|--------------|-------------------|-------------------------------------------------------|
| `r_t`        | r_t               | reward for the action chosen in s_{t-1}               |
| `discount_t` | d_t               | gamma times (1 if s_t is not terminal, else 0)        |
| `v_tm1`      | v_{t-1}           | value of the state in which the action was chosen     |
| `v_t`        | v_t               | value of the state that followed (`next_values`)      |
| `rho_tm1`    | rho_{t-1}         | pi / mu of the action chosen in s_{t-1}               |

`discount_t` and `lambda_` are a number or a tensor with as many axes as `r_t` that broadcasts to
it: ``[1, P, 1]`` gives each member its own. The value of s_T, `bootstrap_value`, is 0 by default
because the horizon is part of our tasks. Where episodes in a batch end at different steps, the
steps after an end carry reward 0 and discount 0: returns are 0 there and nothing after an end
reaches the steps before it (advantages there are -v_{t-1}: mask them).

Nothing is detached here. Gradients flow through whatever is given, so the caller detaches the
values that go into a target or an advantage.

Means over the steps that count take weights, because episodes in a batch may end at different
steps: see `step_weights`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Estimate(NamedTuple):
    """What a learner needs of one trajectory.

    Attributes:
        advantages: Weights of the policy gradient at t - 1 in [0, T-1], shape ``[T, ...]``.
        targets: Regression targets of v_{t-1}, shape ``[T, ...]``.
    """

    advantages: Tensor
    targets: Tensor


def next_values(v_tm1: Tensor, bootstrap_value: Tensor | float = 0.0) -> Tensor:
    """Shift v_{t-1}, t in [1, T], one step on to v_t, t in [1, T].

    Args:
        v_tm1: Values of s_0 ... s_{T-1}, shape ``[T, ...]``.
        bootstrap_value: Value of s_T, a number or shape ``[...]``.

    Returns:
        Values of s_1 ... s_T, shape ``[T, ...]``.
    """
    last = _like_step(bootstrap_value, v_tm1, "bootstrap_value")
    return torch.cat([v_tm1[1:], last.unsqueeze(0)])


def monte_carlo(
    r_t: Tensor, discount_t: Tensor | float, bootstrap_value: Tensor | float = 0.0
) -> Tensor:
    """Discounted sum of the rewards to the end of the episode.

    For t = T, ..., 1, from G_T = `bootstrap_value`:

        G_{t-1} = r_t + d_t G_t

    Source: Sutton & Barto (2018), equation 3.9.

    Args:
        r_t: Rewards, t in [1, T], shape ``[T, ...]``.
        discount_t: Discounts d_t, t in [1, T], broadcastable to ``[T, ...]``.
        bootstrap_value: Value of s_T, a number or shape ``[...]``.

    Returns:
        G_{t-1}, t in [1, T], shape ``[T, ...]``.
    """
    discount_t = _like(discount_t, r_t, "discount_t")
    return _accumulate(r_t, discount_t, _like_step(bootstrap_value, r_t, "bootstrap_value"))


def n_step(r_t: Tensor, discount_t: Tensor | float, v_t: Tensor, n: int) -> Tensor:
    """Discounted sum of the next n rewards, then the value of the state reached.

    For t in [1, T], with k = min(t + n - 1, T), the return is cut at the last state:

        G_{t-1} = r_t + d_t (r_{t+1} + d_{t+1} (... + d_{k-1} (r_k + d_k v_k)))

    Source: Sutton & Barto (2018), equation 7.1.

    Args:
        r_t: Rewards, t in [1, T], shape ``[T, ...]``.
        discount_t: Discounts d_t, t in [1, T], broadcastable to ``[T, ...]``.
        v_t: Values of s_1 ... s_T, shape ``[T, ...]``; the last row is the bootstrap value.
        n: Number of rewards, at least 1. From T on this is the Monte Carlo return.

    Returns:
        G_{t-1}, t in [1, T], shape ``[T, ...]``.

    Raises:
        ValueError: If n is below 1 or shapes do not agree.
    """
    _same(v_t, r_t, "v_t")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    discount_t = _like(discount_t, r_t, "discount_t")
    steps = r_t.shape[0]
    if n >= steps:
        return _accumulate(r_t, discount_t, v_t[-1])
    # Past the end: reward 0 and discount 1 carry the value of s_T back unchanged.
    padding = r_t.new_zeros(n - 1, *r_t.shape[1:])
    rewards = torch.cat([r_t, padding])
    discounts = torch.cat([discount_t.expand_as(r_t), torch.ones_like(padding)])
    returns = torch.cat([v_t[n - 1 :], v_t[-1:].expand_as(padding)])
    for i in reversed(range(n)):
        returns = torch.addcmul(rewards[i : i + steps], discounts[i : i + steps], returns)
    return returns


def rpe(r_t: Tensor, discount_t: Tensor | float, v_tm1: Tensor, v_t: Tensor) -> Tensor:
    """Reward prediction error, the dopamine signal.

    For t in [1, T]:

        delta_t = r_t + d_t v_t - v_{t-1}

    Source: Montague, Dayan & Sejnowski (1996); Wang et al. (2018), Methods (there written
    delta_t = r_t + gamma V(s_{t+1}) - V(s_t), with r_t the reward for the action chosen in s_t).

    Args:
        r_t: Rewards, t in [1, T], shape ``[T, ...]``.
        discount_t: Discounts d_t, t in [1, T], broadcastable to ``[T, ...]``.
        v_tm1: Values of s_0 ... s_{T-1}, shape ``[T, ...]``.
        v_t: Values of s_1 ... s_T, shape ``[T, ...]``.

    Returns:
        delta_t, t in [1, T], shape ``[T, ...]``, in units of reward.
    """
    _same(v_tm1, r_t, "v_tm1")
    _same(v_t, r_t, "v_t")
    return torch.addcmul(r_t, _like(discount_t, r_t, "discount_t"), v_t) - v_tm1


def gae(
    r_t: Tensor,
    discount_t: Tensor | float,
    v_tm1: Tensor,
    lambda_: Tensor | float = 1.0,
    bootstrap_value: Tensor | float = 0.0,
) -> Estimate:
    """Generalised advantage estimation.

    For t = T, ..., 1, from A_T = 0 and v_T = `bootstrap_value`:

        delta_t = r_t + d_t v_t - v_{t-1}
        A_{t-1} = delta_t + d_t lambda A_t
        target_{t-1} = A_{t-1} + v_{t-1}

    lambda = 1 gives the Monte Carlo return less the value, lambda = 0 the prediction error.
    Source: Schulman et al. (2016), equation 16.

    Args:
        r_t: Rewards, t in [1, T], shape ``[T, ...]``.
        discount_t: Discounts d_t, t in [1, T], broadcastable to ``[T, ...]``.
        v_tm1: Values of s_0 ... s_{T-1}, shape ``[T, ...]``.
        lambda_: Mixing of n-step advantages in [0, 1], a number or broadcastable to ``[T, ...]``.
        bootstrap_value: Value of s_T, a number or shape ``[...]``.

    Returns:
        Advantages A_{t-1} and lambda-return targets, t in [1, T], each ``[T, ...]``.
    """
    discount_t = _like(discount_t, r_t, "discount_t")
    delta_t = rpe(r_t, discount_t, v_tm1, next_values(v_tm1, bootstrap_value))
    decay_t = discount_t * _like(lambda_, r_t, "lambda_")
    advantages = _accumulate(delta_t, decay_t, torch.zeros_like(r_t[0]))
    return Estimate(advantages, advantages + v_tm1)


def estimate(
    r_t: Tensor, discount_t: Tensor, v_tm1: Tensor, lambda_: float = 1.0, n: int | None = None
) -> Estimate:
    """Return advantages and targets: `gae`, or with n those of `n_step` returns, ``[T, ...]``.

    Arguments as of `gae`; the value of s_T is 0.
    """
    if n is None:
        return gae(r_t, discount_t, v_tm1, lambda_)
    targets = n_step(r_t, discount_t, next_values(v_tm1), n)
    return Estimate(targets - v_tm1, targets)


def vtrace(
    r_t: Tensor,
    discount_t: Tensor | float,
    v_tm1: Tensor,
    rho_tm1: Tensor,
    bootstrap_value: Tensor | float = 0.0,
    *,
    rho_bar: float = 1.0,
    c_bar: float = 1.0,
    lambda_: float = 1.0,
    n: int | None = None,
) -> Estimate:
    """Off-policy corrected value targets and advantages.

    For t = T, ..., 1, from x_{T} = 0 and v_T = `bootstrap_value`:

        delta_t = min(rho_bar, rho_{t-1}) (r_t + d_t v_t - v_{t-1})
        x_{t-1} = delta_t + d_t lambda min(c_bar, rho_{t-1}) x_t
        target_{t-1} = v_{t-1} + x_{t-1}
        A_{t-1} = min(rho_bar, rho_{t-1}) (r_t + d_t (v_t + lambda x_t) - v_{t-1})

    With every ratio 1 (on policy) and c_bar >= 1 this is `gae`: for lambda = 1 the targets are the
    n-step returns to the end. With n, the sum in x_{t-1} stops after n terms, the x_t in A_{t-1}
    after n - 1, and on policy the targets are those of `n_step`.
    Source: Espeholt et al. (2018), equation 1, Remarks 1 and 2 and section 4.2.

    Args:
        r_t: Rewards, t in [1, T], shape ``[T, ...]``.
        discount_t: Discounts d_t, t in [1, T], broadcastable to ``[T, ...]``.
        v_tm1: Values of s_0 ... s_{T-1}, shape ``[T, ...]``.
        rho_tm1: Ratios pi(a_{t-1} | s_{t-1}) / mu(a_{t-1} | s_{t-1}), shape ``[T, ...]``.
        bootstrap_value: Value of s_T, a number or shape ``[...]``.
        rho_bar: Cap of the ratio in delta_t; decides which policy's value is the fixed point.
        c_bar: Cap of the ratio in the trace; decides how far a correction reaches back.
        lambda_: Factor of the trace in [0, 1].
        n: Number of temporal differences in a target, at least 1; none takes all to the end.

    Returns:
        Advantages and targets, t in [1, T], each ``[T, ...]``.

    Raises:
        ValueError: If c_bar exceeds rho_bar, n is below 1, or shapes do not agree.
    """
    if c_bar > rho_bar:
        raise ValueError(f"c_bar must not exceed rho_bar, got c_bar={c_bar}, rho_bar={rho_bar}")
    _same(rho_tm1, r_t, "rho_tm1")
    discount_t = _like(discount_t, r_t, "discount_t")
    rho = rho_tm1.clamp(max=rho_bar)
    v_t = next_values(v_tm1, bootstrap_value)
    delta_t = rho * rpe(r_t, discount_t, v_tm1, v_t)
    decay_t = discount_t * rho_tm1.clamp(max=c_bar) * lambda_
    last = torch.zeros_like(r_t[0])
    if n is None or n >= r_t.shape[0]:
        corrections = _accumulate(delta_t, decay_t, last)  # target - v, at t - 1
        reaching = corrections
    else:
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        corrections = _accumulate_next(delta_t, decay_t, n)
        reaching = _accumulate_next(delta_t, decay_t, n - 1)
    following = v_t + lambda_ * next_values(reaching)
    advantages = rho * rpe(r_t, discount_t, v_tm1, following)
    return Estimate(advantages, v_tm1 + corrections)


def log_probs(logits: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-probabilities of all actions ``[T, P, K, B]``, and of those taken ``[T, P, B]``.

    Args:
        logits: ``[T, P, K, B]``, or more steps, of which the first T are used.
        actions: ``[T, P, B]``.
    """
    every = logits[: actions.shape[0]].log_softmax(2)
    return every, every.gather(2, actions.unsqueeze(2)).squeeze(2)


def step_weights(mask: Tensor | None, like: Tensor) -> Tensor:
    """Return weights ``[T, P, B]`` of sum 1 per member over the steps that count.

    Args:
        mask: ``[T, P, B]``, 1 for steps that count; None if all do, which gives the number 1.
        like: For number type and device.
    """
    if mask is None:
        return torch.ones((), dtype=like.dtype, device=like.device)
    return mask / mask.sum((0, 2), keepdim=True)


def mean(x: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of each member, ``[P]``, of ``[T, P, B]`` with weights of `step_weights`."""
    return (x * weight).sum((0, 2)) if weight.dim() else x.mean((0, 2))


def deviation(x: Tensor, weight: Tensor) -> Tensor:
    """Return the standard deviation of each member, ``[P]``; arguments as of `mean`."""
    return mean((x - mean(x, weight).view(1, -1, 1)).square(), weight).sqrt()


def normalise(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``[T, P, B]`` with mean 0 and deviation 1 for each member; arguments as of `mean`."""
    centred = x - mean(x, weight).view(1, -1, 1)
    return centred / (mean(centred.square(), weight).sqrt().view(1, -1, 1) + 1e-8)


def by_member(x: Tensor) -> Tensor:
    """Return ``[T, P, B]`` as ``[P, T * B]``."""
    return x.transpose(0, 1).flatten(1)


def count_steps(mask: Tensor | None, actions: Tensor) -> Tensor:
    """Return the environment steps of each member, ``[P]`` float64.

    Args:
        mask: ``[T, P, B]``, 1 for steps that count; None if all do.
        actions: ``[T, P, B]``.
    """
    steps, members, batch = actions.shape
    if mask is None:
        return torch.full((members,), float(steps * batch), dtype=torch.float64)
    return mask.sum((0, 2)).to("cpu", torch.float64)


def _accumulate_next(x_t: Tensor, decay_t: Tensor, n: int) -> Tensor:
    """Return x_t + decay_t (x_{t+1} + ... (x_{t+n-1})) for every t, with 0 past the end."""
    steps = x_t.shape[0]
    padding = x_t.new_zeros(n, *x_t.shape[1:])
    xs, decays = torch.cat([x_t, padding]), torch.cat([decay_t.expand_as(x_t), padding])
    total = torch.zeros_like(x_t)
    for i in reversed(range(n)):
        total = torch.addcmul(xs[i : i + steps], decays[i : i + steps], total)
    return total


def _accumulate(x_t: Tensor, decay_t: Tensor, last: Tensor) -> Tensor:
    """Return y_{t-1} = x_t + decay_t y_t for t = T, ..., 1 from y_T = `last`; ``[T, ...]``."""
    decays = decay_t.expand(x_t.shape[0], *decay_t.shape[1:]).unbind(0)
    rows = []
    y = last
    # One fused operation a step: differentiable, and small beside the agent's own step.
    for x, decay in zip(reversed(x_t.unbind(0)), reversed(decays), strict=True):
        y = torch.addcmul(x, decay, y)
        rows.append(y)
    rows.reverse()
    return torch.stack(rows)


def _same(tensor: Tensor, r_t: Tensor, name: str) -> None:
    """Refuse a tensor whose shape would broadcast silently against the rewards."""
    if tensor.shape != r_t.shape:
        raise ValueError(
            f"{name} must have the shape of r_t, {list(r_t.shape)}, got {list(tensor.shape)}"
        )
    if tensor.dtype != r_t.dtype:
        raise TypeError(f"{name} must have the dtype of r_t, {r_t.dtype}, got {tensor.dtype}")


def _like(value: Tensor | float, r_t: Tensor, name: str) -> Tensor:
    """Return a number or tensor with the axes of r_t, each of its length or 1."""
    if r_t.ndim == 0 or r_t.shape[0] == 0:
        raise ValueError(f"r_t must be [T, ...] with T at least 1, got {list(r_t.shape)}")
    if not r_t.is_floating_point():
        raise TypeError(f"r_t must be a floating-point tensor, got {r_t.dtype}")
    tensor = torch.as_tensor(value, dtype=r_t.dtype, device=r_t.device)
    if tensor.ndim == 0:
        tensor = tensor.reshape([1] * r_t.ndim)
    fits = tensor.ndim == r_t.ndim and all(
        size in (1, full) for size, full in zip(tensor.shape, r_t.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{name} must be a number or broadcast axis by axis to r_t, {list(r_t.shape)}, "
            f"got {list(tensor.shape)}"
        )
    return tensor


def _like_step(value: Tensor | float, r_t: Tensor, name: str) -> Tensor:
    """Return a number or tensor as one row of r_t, shape ``[...]``."""
    shape = r_t.shape[1:]
    tensor = torch.as_tensor(value, dtype=r_t.dtype, device=r_t.device)
    if tensor.ndim and tensor.shape != shape:
        raise ValueError(
            f"{name} must be a number or have shape {list(shape)}, got {list(tensor.shape)}"
        )
    return tensor.expand(shape)
