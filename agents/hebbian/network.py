"""Networks of rate units, of P members at once, and how they play a trial.

The potentials x of N units follow ``τ dx/dt = −x + W r + V u + ξ`` with rates ``r = tanh(x)``,
inputs u and perturbations ξ (Sompolinsky, Crisanti & Sommers 1988; Miconi 2017), in steps of
``x ← x + (−x + W r + V u + ξ) / τ``. Unit 0 is the output; `BIASES` are constant.

Weights are ``[P, N + I, N]``: from units and inputs (rows) to units (columns). What leads to a
constant unit is 0, and what reaches it from outside is its potential, so that it stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from prefrontal.agents.common.seeding import generator
from prefrontal.agents.hebbian.config import BIASES, RateNetworkConfig
from prefrontal.agents.rollout.blame import blame, check_numbers, check_shape, name_of

#: Called after each step with its number, the observation [n, I], the action [n, 1], the reward
#: [n], and what the environment said.
Watch = Callable[[int, Tensor, Tensor, Tensor, dict[str, Any]], None]

CONSTANT = list(BIASES)


def parameters(network: RateNetworkConfig, inputs: int) -> int:
    """Return the number of weights of a member."""
    return (network.units + inputs) * network.units


def initial_weights(
    network: RateNetworkConfig, inputs: int, members: Sequence[int], seed: int
) -> Tensor:
    """Return random weights ``[P, n]``: recurrent ones normal, those of inputs uniform within ±1.

    Each member's are drawn from its own generator.
    """
    units, drawn = network.units, []
    for member in members:
        chance = generator(seed, member, "weights")
        recurrent = torch.randn(units, units, generator=chance) * network.gain / units**0.5
        drawn.append(torch.cat([recurrent, 2 * torch.rand(inputs, units, generator=chance) - 1]))
    weights = torch.stack(drawn)
    weights[:, :, CONSTANT] = 0.0
    return weights.flatten(1)


def biased(values: Tensor) -> Tensor:
    """Give the constant units of ``[..., N]`` their potential, in place."""
    values[..., CONSTANT] = torch.tensor(list(BIASES.values()))
    return values


def initial(network: RateNetworkConfig, rows: int, generators: Sequence[torch.Generator]) -> Tensor:
    """Return random potentials ``[P, B, N]`` to start from, each member's from its generator."""
    drawn = [torch.rand(rows, network.units, generator=chance) for chance in generators]
    return biased((2 * torch.stack(drawn) - 1) * network.start)


class Networks:
    """What networks of one shape need in order to play: buffers of potentials and rates.

    Args:
        network: Their shape.
        inputs: Numbers I of an observation.
        members: How many networks, P.
        rows: Episodes B of each.
        steps: Steps T of an episode, if all are to be kept, or None.

    Attributes:
        potential: Potentials at the start and after every step ``[T + 1, P, B, N]``.
        sent: Rates then, and the observation of the step that follows, ``[T + 1, P, B, N + I]``.
            Both have only the last two steps, alternating, if not all are kept.
    """

    def __init__(
        self,
        network: RateNetworkConfig,
        inputs: int,
        members: int,
        rows: int,
        steps: int | None = None,
    ) -> None:
        self.units, self.rate = network.units, 1 / network.time_constant
        slots, shape = 2 if steps is None else steps + 1, (members, rows)
        self.potential = torch.zeros(slots, *shape, self.units)
        self.sent = torch.zeros(slots, *shape, self.units + inputs)
        self._drive = torch.empty(*shape, self.units)
        # Views of every step, made once
        self._x = self.potential.unbind(0)
        self._sent = self.sent.unbind(0)
        self._r = self.sent[..., : self.units].unbind(0)
        self._seen = [one.flatten(0, 1) for one in self.sent[..., self.units :].unbind(0)]
        self._out = [one[..., :1].flatten(0, 1) for one in self._r]

    def rates(self, step: int) -> Tensor:
        """Return the rates after so many steps, ``[P, B, N]``: the buffer, which is overwritten."""
        return self._r[step % len(self._r)]

    def play(
        self,
        envs: Any,
        seen: Tensor,
        weights: Tensor,
        start: Tensor,
        outside: Sequence[Tensor],
        watch: Watch | None = None,
    ) -> Tensor:
        """Play an episode in every row.

        Args:
            envs: Vector environment of tensors that was reset, rows blocked by member.
            seen: Its first observation ``[P * B, I]``.
            weights: ``[P, N + I, N]``.
            start: Potentials at the start ``[P, B, N]``.
            outside: What reaches the units beside rates and inputs in each step, ``[P, B, N]``.
            watch: Called after each step.

        Returns:
            Rewards ``[T, P * B]``.

        Raises:
            TrainingError: The environment raises, or returns something that nobody can learn from.
        """
        try:
            rewards = self._play(envs, seen, weights, start, outside, watch)
        except Exception as error:
            blame(envs, error)
            raise
        check_numbers(name_of(envs), "reward", rewards, getattr(envs, "task", None))
        return rewards

    def _play(
        self,
        envs: Any,
        seen: Tensor,
        weights: Tensor,
        start: Tensor,
        outside: Sequence[Tensor],
        watch: Watch | None,
    ) -> Tensor:
        slots = len(self._x)
        self._x[0].copy_(start)
        torch.tanh(self._x[0], out=self._r[0])
        rewards = []
        for t, given in enumerate(outside):
            now, after = t % slots, (t + 1) % slots
            self._seen[now].copy_(seen)
            torch.baddbmm(given, self._sent[now], weights, out=self._drive)
            torch.lerp(self._x[now], self._drive, self.rate, out=self._x[after])
            torch.tanh(self._x[after], out=self._r[after])
            action = self._out[after]
            seen, reward, _, _, said = envs.step(action)
            if not t:
                check_shape(envs, reward)
            rewards.append(reward)
            if watch is not None:
                watch(t, self._seen[now], action, reward, said)
        return torch.stack(rewards)
