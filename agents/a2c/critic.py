"""The privileged critic: a baseline that sees the task."""

from __future__ import annotations

import torch
from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.common.optim import clip_by_norm
from prefrontal.agents.common.returns import by_member
from prefrontal.agents.kernels.learning import (
    CompiledOptimiser,
    critic_activity,
    critic_fit,
    critic_values,
    estimate,
    make_optimiser,
)
from prefrontal.agents.rollout.rollout import Trajectory


class AsymmetricCritic:
    """A baseline that sees, in training only, what the agent must infer: a perceptron a member.

    The baseline of a policy gradient may depend on anything but the action (Pinto et al. 2018). A
    critic that is told the task (for a bandit, the arm probabilities) explains away the luck of the
    draw of tasks, most of the variance of the learning signal. The agent's own value head, which
    models the dopamine system's prediction, is trained beside it and is what analyses read.

    Args:
        hidden_size: Size H of the agent's hidden state (no gradient flows into it).
        privileged_size: Privileged features K.
        units: Units of the hidden layer.
        generators: One generator a member, for the initial weights.
        dtype: Number type.
        device: Where it lives.
    """

    def __init__(
        self,
        hidden_size: int,
        privileged_size: int,
        units: int,
        generators: list[torch.Generator],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.inputs, self.units = hidden_size + privileged_size + 1, units
        rows = []
        for g in generators:
            first = (2 * torch.rand(units, self.inputs, generator=g) - 1) * self.inputs**-0.5
            second = (2 * torch.rand(units + 1, generator=g) - 1) * units**-0.5
            rows.append(torch.cat([first.flatten(), second]))
        self.parameters = torch.stack(rows).to(device, dtype)
        self.optimiser = make_optimiser(self.parameters, "adam", 1e-5)
        self._joined = self._active = self.parameters.new_empty(0)  # used again while sizes last
        self._size = (0, 0, 0)

    def features(self, hidden: Tensor, privileged: Tensor) -> Tensor:
        """Join ``[T, P, H, B]`` and ``[T, P, B, K]`` to features ``[P, H + K + 1, T * B]``.

        They hold until the next call.
        """
        steps, members, _, batch = hidden.shape
        if self._joined.shape != (size := (members, self.inputs, steps, batch)):
            self._joined = hidden.new_ones(size)  # the last row is the bias
        self._joined[:, : hidden.shape[2]] = hidden.permute(1, 2, 0, 3)
        self._joined[:, hidden.shape[2] : -1] = privileged.permute(1, 3, 0, 2)
        return self._joined.flatten(2)

    def state(self) -> dict[str, Tensor]:
        """Return all that is needed to go on exactly; first dimension: the member."""
        moments = self.optimiser.state().items()
        return {"weights": self.parameters} | {f"optimiser.{name}": x for name, x in moments}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.parameters.copy_(state["weights"])
        self.optimiser.set_state({n: state[f"optimiser.{n}"] for n in self.optimiser.state()})

    def values(self, features: Tensor) -> Tensor:
        """Compute values ``[P, T * B]``; the activity of the hidden units is kept for `fit`."""
        compiled = isinstance(self.optimiser, CompiledOptimiser)
        if self._size != (size := (len(features), self.units, features.shape[2])):
            room = critic_activity(features, self.units) if compiled else features.new_empty(size)
            self._size, self._active = size, room
        if compiled:
            return critic_values(self.parameters, features, self.units, self._active)
        first, second = self._weights()
        active = torch.bmm(first, features, out=self._active).relu_()
        return torch.baddbmm(second[:, None, -1:], second[:, None, :-1], active).squeeze(1)

    def _weights(self) -> tuple[Tensor, Tensor]:
        """Return the weights of the hidden units ``[P, U, K]`` and of the value ``[P, U + 1]``."""
        first, second = self.parameters.split([self.units * self.inputs, self.units + 1], dim=1)
        return first.unflatten(1, (self.units, self.inputs)), second

    def judge(
        self,
        config: A2CConfig,
        trajectory: Trajectory,
        discount: Tensor,
        weight: Tensor,
        share: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return advantages over the values of this critic, then fit it to its targets.

        Args:
            config: Settings of the learner.
            trajectory: New episodes.
            discount: Discount γ of each member, ``[P]``.
            weight: Of each step, see `step_weights`.
            share: Of the step size at the start that is left, ``[P]``.

        Returns:
            Advantages ``[T, P, B]``, and the error before the fit, ``[P]``.
        """
        assert trajectory.privileged is not None
        hidden = trajectory.tapes[0].hidden()[: trajectory.steps]
        features = self.features(hidden, trajectory.privileged)
        values = self.values(features)  # [P, T * B]
        baseline = values.unflatten(1, (trajectory.steps, -1)).transpose(0, 1)
        returned = trajectory.to_the_end(baseline, discount)
        found = estimate(*returned, config.gae_lambda, config.n_step)
        targets = by_member(found.targets)
        scale = by_member(weight) * targets.shape[1] if weight.dim() else None
        step_size = share.unsqueeze(1).to(features.device) * config.critic.learning_rate
        steps = step_size, config.clip_norm, config.passes
        error = self.fit(features, values, targets, scale, *steps)
        return found.advantages, error

    def fit(
        self,
        features: Tensor,
        values: Tensor,
        targets: Tensor,
        weight: Tensor | None,
        learning_rate: float | Tensor,
        clip_norm: float,
        passes: int = 1,
    ) -> Tensor:
        """Take optimiser steps on the mean squared error; return that before the last, ``[P]``.

        Args:
            features: See `features`.
            values: What `values` has just returned for them, ``[P, T * B]``.
            targets: ``[P, T * B]``.
            weight: Weight of each sample, ``[P, T * B]``; None: 1.
            learning_rate: Step size, one number or one per member ``[P, 1]``.
            clip_norm: Largest gradient norm per member.
            passes: How many steps.
        """
        if isinstance(optimiser := self.optimiser, CompiledOptimiser):
            known = optimiser, self.parameters, features, self.units, self._active, values
            return critic_fit(*known, targets, weight, learning_rate, clip_norm, passes)
        for index in range(passes):
            values = self.values(features) if index else values
            loss, gradient = self._gradient(features, values, targets, weight)
            clip_by_norm(gradient, clip_norm)
            optimiser.step(self.parameters, gradient, learning_rate)
        return loss

    def _gradient(
        self, features: Tensor, values: Tensor, targets: Tensor, weight: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the error ``[P]`` and its gradient ``[P, n]``; arguments as of `fit`.

        With hidden units ``a = relu(W x)``, values ``v = w a + b`` and ``d = dL / dv``, the
        gradient is ``dL / dw = a d``, ``dL / dW = w (1[a > 0] d) x``, each summed over samples.
        """
        second, active = self._weights()[1], self._active
        error = values - targets
        slope = error.clone() if weight is None else error * weight
        loss = (error * slope).mean(1)
        slope.mul_(2 / slope.shape[1])
        d_second = torch.bmm(active, slope.unsqueeze(2)).squeeze(2)
        active.sign_().mul_(slope.unsqueeze(1))
        d_first = torch.bmm(features, active.mT).mT * second[:, :-1].unsqueeze(2)
        return loss, torch.cat([d_first.flatten(1), d_second, slope.sum(1, keepdim=True)], 1)
