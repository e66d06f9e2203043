"""Distributions of actions: what the read-outs of a policy mean, for each kind of actions.

Read-outs are ``[..., K, B]`` (K of them for each of B episodes), actions ``[..., B, *shape]``. A
*law* is what read-outs say after they are normalised, ``[..., K, B]``: log-probabilities of all
options, or mean and log deviation of all numbers. It is what replay keeps, and what another policy
is compared with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.common.actions import Actions
from prefrontal.agents.common.returns import actor_critic_loss

FORBIDDEN = -1e9  # log-probability of an action that is masked: its probability is exactly 0
DEVIATION = (-4.0, 1.0)  # range of the log deviation, before squashing
NODES = 16  # of the quadrature of an entropy


class Policy(Protocol):
    """What read-outs mean.

    Attributes:
        actions: What actions there are.
        discrete: Whether an action is one choice.
        noise_size: Random numbers N that an action needs.
        dtype: Of what is kept of an action.
    """

    actions: Actions
    discrete: bool
    noise_size: int
    dtype: torch.dtype

    def law(self, read_outs: Tensor, available: Tensor | None = None) -> Tensor:
        """Return the law ``[..., K, B]``; options that are not `available` have probability 0."""
        ...

    def log_prob(self, law: Tensor, actions: Tensor) -> Tensor:
        """Return the log-probability (density) of actions, ``[..., B]``."""
        ...

    def entropy(self, law: Tensor) -> Tensor:
        """Return entropies ``[..., B]``, nats."""
        ...

    def divergence(self, law: Tensor, other: Tensor) -> Tensor:
        """Return KL(law || other), ``[..., B]``, nats."""
        ...

    def noise_(self, buffer: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Fill ``[R, ..., N, B]`` with noise, equal shares of the rows R from each generator."""
        ...

    def sample(self, read_outs: Tensor, noise: Tensor) -> Tensor:
        """Return actions ``[..., B, *shape]`` drawn with noise ``[..., N, B]``."""
        ...

    def best(self, read_outs: Tensor) -> Tensor:
        """Return the most probable actions (of numbers: those of the mean)."""
        ...

    def applied(self, actions: Tensor) -> Tensor:
        """Return what an environment is given for actions as they are kept."""
        ...

    def described(self, read_outs: Tensor) -> Tensor:
        """Return what a record says: probabilities, or means and deviations, ``[..., K, B]``."""
        ...


def policy_of(actions: Actions) -> Policy:
    """Return the distribution of a kind of actions."""
    return Choices(actions) if actions.sizes else SquashedGaussian(actions)


def masked(read_outs: Tensor, available: Tensor | None) -> Tensor:
    """Return read-outs of which those of options that are not available forbid them."""
    return read_outs if available is None else read_outs.masked_fill(~available, FORBIDDEN)


class Choices:
    """One softmax, or several that are independent of each other given the state."""

    dtype = torch.int64

    def __init__(self, actions: Actions) -> None:
        self.actions, self.noise_size = actions, actions.outputs
        self.discrete = actions.discrete

    def _parts(self, values: Tensor) -> Sequence[Tensor]:
        return values.split(self.actions.sizes, -2)

    def law(self, read_outs: Tensor, available: Tensor | None = None) -> Tensor:
        """See `Policy.law`."""
        read_outs = masked(read_outs, available)
        if self.discrete:
            return read_outs.log_softmax(-2)
        return torch.cat([part.log_softmax(-2) for part in self._parts(read_outs)], -2)

    def log_prob(self, law: Tensor, actions: Tensor) -> Tensor:
        """See `Policy.log_prob`."""
        if self.discrete:
            return law.gather(-2, actions.unsqueeze(-2)).squeeze(-2)
        each = zip(self._parts(law), actions.unbind(-1), strict=True)
        found = [part.gather(-2, a.unsqueeze(-2)).squeeze(-2) for part, a in each]
        return torch.stack(found).sum(0)

    def entropy(self, law: Tensor) -> Tensor:
        """See `Policy.entropy`; that of all choices together."""
        return -(law.exp() * law).sum(-2)

    def divergence(self, law: Tensor, other: Tensor) -> Tensor:
        """See `Policy.divergence`."""
        return (law.exp() * (law - other)).sum(-2)

    def noise_(self, buffer: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Fill with Gumbel noise: its argmax with logits samples the softmax."""
        each = len(buffer) // len(generators)
        for part, g in zip(buffer.split(each), generators, strict=True):
            torch.rand(part.shape, generator=g, out=part)
        return buffer.clamp_(min=1e-20).log_().neg_().log_().neg_()

    def sample(self, read_outs: Tensor, noise: Tensor) -> Tensor:
        """See `Policy.sample`."""
        return self.best(read_outs + noise)

    def best(self, read_outs: Tensor) -> Tensor:
        """See `Policy.best`."""
        if self.discrete:
            return read_outs.argmax(-2)
        return torch.stack([part.argmax(-2) for part in self._parts(read_outs)], -1)

    def applied(self, actions: Tensor) -> Tensor:
        """Return the actions themselves."""
        return actions

    def described(self, read_outs: Tensor) -> Tensor:
        """Return probabilities ``[..., K, B]``."""
        return torch.cat([part.softmax(-2) for part in self._parts(read_outs)], -2)


class SquashedGaussian:
    """A Gaussian a number, squashed by tanh into its bounds (Haarnoja et al. 2018, appendix C).

    Read-outs are means m, and what gives the log deviations: a sigmoid into the range `DEVIATION`,
    0 for a read-out of 0. An action u = m + s ε is kept as it is before squashing; the environment
    is given low + (high - low) (tanh u + 1) / 2, or u itself where a number has no bounds, clipped
    where it has one alone.
    Log-probabilities are those of u. In ratios and divergences, and in gradients, they are those of
    the squashed action, since the Jacobian of tanh does not depend on the policy. Entropies are
    those of tanh u, so that log 2 a number, the uniform distribution, is the largest.
    """

    dtype = torch.float32
    discrete = False

    def __init__(self, actions: Actions) -> None:
        self.actions, self.noise_size = actions, len(actions.low)
        low, high = (torch.tensor(ends, dtype=torch.float32) for ends in actions.limits)
        self._low, self._high, self._bounded = low, high, low.isfinite() & high.isfinite()
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        self._nodes = torch.tensor(nodes, dtype=torch.float32)
        self._weights = torch.tensor(weights / weights.sum(), dtype=torch.float32)

    def law(self, read_outs: Tensor, available: Tensor | None = None) -> Tensor:
        """See `Policy.law`; numbers cannot be masked."""
        mean, raw = read_outs.chunk(2, -2)
        low, high = DEVIATION
        shift = math.log(-low / high)  # a read-out of 0 is a log deviation of 0
        return torch.cat([mean, low + (high - low) * (raw + shift).sigmoid()], -2)

    def log_prob(self, law: Tensor, actions: Tensor) -> Tensor:
        """Return the log density before squashing, ``[..., B]``."""
        mean, log_deviation = law.chunk(2, -2)
        z = (actions.transpose(-1, -2) - mean) / log_deviation.exp()
        return -(0.5 * z.square() + log_deviation + 0.5 * math.log(2 * math.pi)).sum(-2)

    def entropy(self, law: Tensor) -> Tensor:
        """Return the entropy after squashing: H + E log (1 - tanh² u), by Gauss-Hermite."""
        mean, log_deviation = law.chunk(2, -2)
        found = log_deviation + 0.5 * math.log(2 * math.pi * math.e)
        nodes, weights = self._nodes.to(law), self._weights.to(law)
        u = mean.unsqueeze(-1) + log_deviation.exp().unsqueeze(-1) * nodes  # [..., A, B, nodes]
        # log (1 - tanh² u) = 2 (log 2 - u - softplus(-2 u)), without overflow
        squashed = 2 * (math.log(2) - u - torch.nn.functional.softplus(-2 * u)) @ weights
        bounded = self._bounded.to(law.device).unsqueeze(-1)
        return (found + torch.where(bounded, squashed, 0.0)).sum(-2)

    def divergence(self, law: Tensor, other: Tensor) -> Tensor:
        """See `Policy.divergence`; squashing does not change it."""
        (m, log_s), (n, log_r) = law.chunk(2, -2), other.chunk(2, -2)
        square = ((2 * log_s).exp() + (m - n).square()) / (2 * (2 * log_r).exp())
        return (log_r - log_s + square - 0.5).sum(-2)

    def noise_(self, buffer: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Fill with standard normal noise."""
        each = len(buffer) // len(generators)
        for part, g in zip(buffer.split(each), generators, strict=True):
            torch.randn(part.shape, generator=g, out=part)
        return buffer

    def sample(self, read_outs: Tensor, noise: Tensor) -> Tensor:
        """See `Policy.sample`."""
        mean, log_deviation = self.law(read_outs).chunk(2, -2)
        return (mean + log_deviation.exp() * noise).transpose(-1, -2)

    def best(self, read_outs: Tensor) -> Tensor:
        """Return the means."""
        return read_outs.chunk(2, -2)[0].transpose(-1, -2)

    def applied(self, actions: Tensor) -> Tensor:
        """Return squashed numbers, within their bounds."""
        low, high = self._low.to(actions), self._high.to(actions)
        squashed = low + (high - low) * (actions.tanh() + 1) / 2
        return torch.where(self._bounded.to(actions.device), squashed, actions.clamp(low, high))

    def described(self, read_outs: Tensor) -> Tensor:
        """Return means and deviations before squashing, ``[..., K, B]``."""
        mean, log_deviation = self.law(read_outs).chunk(2, -2)
        return torch.cat([mean, log_deviation.exp()], -2)


class ActorCriticLoss(NamedTuple):
    """What `actor_critic_loss` of a policy needs, with the gain as a function of the policy.

    The gain is A log π(a), or with a `clip` ε, and with ρ = π(a) / π_old(a), the clipped objective
    min(ρ A, clip(ρ, 1 - ε, 1 + ε) A) (Schulman et al. 2017, equation 7).

    Attributes:
        actions: Taken, ``[T, P, B, ...]``.
        advantages: A, ``[T, P, B]``.
        targets: Of the values, ``[T, P, B]``.
        old: Log-probabilities of the actions by the policy that acted, ``[T, P, B]``; None: no
            `clip`.
        weight: Of each step, see `step_weights`.
        entropy_coef: Weight of the entropy bonus, ``[P]``.
        value_coef: Weight of the squared value errors.
        clip: ε; None: do not clip.
        unit: In which values are learned, ``[P]``; None: 1.
    """

    actions: Tensor
    advantages: Tensor
    targets: Tensor
    old: Tensor | None
    weight: Tensor
    entropy_coef: Tensor
    value_coef: float
    clip: float | None = None
    unit: Tensor | None = None

    def __call__(
        self, chosen: Tensor, entropy: Tensor, values: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss ``[P]``, and its parts.

        Args:
            chosen: Log-probabilities of the actions, ``[T, P, B]``.
            entropy: Of the policy, ``[T, P, B]``, nats.
            values: ``[T, P, B]``.
        """
        gain, _ = self.gain(chosen)
        error = self.error(values).square()
        return actor_critic_loss(
            self.value_coef, gain, entropy, error, self.weight, self.entropy_coef
        )

    def of(
        self, policy: Policy, logits: Tensor, values: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of what networks say, ``[T, P, K, B]`` and ``[T, P, B]``."""
        if policy.discrete:
            return self.of_choices(logits, values)
        law = policy.law(logits)
        return self(policy.log_prob(law, self.actions), policy.entropy(law), values)

    def of_choices(self, logits: Tensor, values: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of one softmax over ``logits [T, P, K, B]``, as one operation.

        With p = softmax(logits), entropy H and g = d gain / d log p(a), the gradient by the logits
        is p (g + entropy_coef (log p + H)) - g 1[a].
        """
        loss, *parts = _OfChoices.apply(logits, values, self)
        return loss, dict(zip(("entropy", "value_loss", "policy_loss"), parts, strict=True))

    def gain(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gain, and its derivative by the log-probabilities of the actions."""
        if self.clip is None or self.old is None:
            return chosen * self.advantages, self.advantages
        ratio = (chosen - self.old).exp()
        free = ratio * self.advantages
        gain = torch.minimum(free, ratio.clamp(1 - self.clip, 1 + self.clip) * self.advantages)
        return gain, free.detach().masked_fill(free > gain, 0.0)

    def error(self, values: Tensor) -> Tensor:
        """Return the errors of values, in their unit."""
        error = values - self.targets
        return error if self.unit is None else error / self.unit.view(1, -1, 1)


class _OfChoices(torch.autograd.Function):
    """See `ActorCriticLoss.of_choices`."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, values: Tensor, told: ActorCriticLoss
    ) -> tuple[Tensor, ...]:
        law, actions, weight = logits.log_softmax(2), told.actions.unsqueeze(2), told.weight
        gain, slope = told.gain(law.gather(2, actions).squeeze(2))
        p = law.exp()
        entropy = (p * law).sum(2).neg_()
        error = told.error(values)
        given = gain, entropy, error.square(), weight, told.entropy_coef
        loss, parts = actor_critic_loss(told.value_coef, *given)

        slope, share = slope.unsqueeze(2), weight if weight.dim() else weight / gain[:, 0].numel()
        coef = told.entropy_coef.view(1, -1, 1, 1)
        d_logits = law.add_(entropy.unsqueeze(2)).mul_(coef).add_(slope).mul_(p)
        d_logits.scatter_add_(2, actions, -slope).mul_(share.unsqueeze(2) if share.dim() else share)
        d_values = error.mul_(2 * told.value_coef * share)
        if told.unit is not None:
            d_values.div_(told.unit.view(1, -1, 1))
        ctx.save_for_backward(d_logits, d_values)
        ctx.mark_non_differentiable(*parts.values())
        return loss, *parts.values()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_loss: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, None]:
        d_logits, d_values = ctx.saved_tensors
        each = d_loss.view(1, -1, 1)
        return d_logits * each.unsqueeze(3), d_values * each, None


def random_actions(space: Any, rows: int, stream: torch.Generator) -> Tensor:
    """Return uniform actions of a Gymnasium space: ``[rows]`` of one choice, else ``[rows, A]``.

    Numbers without bounds are standard normal, clipped where they have one.
    """
    if hasattr(space, "n") and not getattr(space, "shape", ()):  # Discrete
        return torch.randint(int(space.n), (rows,), generator=stream)
    if hasattr(space, "nvec") or hasattr(space, "n"):  # MultiDiscrete, MultiBinary
        sizes = np.ravel(getattr(space, "nvec", np.full(space.shape, 2)))
        drawn = [torch.randint(int(n), (rows,), generator=stream) for n in sizes]
        return torch.stack(drawn, 1)
    low, high = torch.from_numpy(space.low), torch.from_numpy(space.high)
    uniform = torch.rand(rows, *space.shape, generator=stream)
    bounded = low.isfinite() & high.isfinite()
    if bool(bounded.all()):
        return low + (high - low) * uniform
    normal = torch.special.ndtri(uniform.clamp(1e-6, 1 - 1e-6))
    return torch.where(bounded, low + (high - low) * uniform, normal.clamp(low, high))
