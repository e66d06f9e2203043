"""What heads beside policy and value learn: the targets of a batch of episodes, and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.common.policies import random_actions
from prefrontal.agents.common.returns import Estimate, estimate, mean, monte_carlo, next_values
from prefrontal.agents.networks.config import LEVELLED, TARGETS, HeadConfig, NetworkConfig
from prefrontal.agents.networks.heads import loss, of_action, reading, value, width
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.rollout import Trajectory
from prefrontal.agents.rollout.spec import EnvironmentSpec

Heads = Sequence[HeadConfig]

_CHOICE = ("expected_reward", "optimal_reward")
ROWS, STEPS = 16, 400  # what is played of an environment to see what it tells


class Target(NamedTuple):
    """What a head learns.

    Attributes:
        value: ``[T, P, width, B]``.
        counts: 1 in the steps in which there is something to learn, ``[T, P, B]``; None: in all.
    """

    value: Tensor
    counts: Tensor | None = None


def told_by_task(head: HeadConfig) -> bool:
    """Return whether only the task tells what a head learns."""
    return head.target == "correct" or head.target not in TARGETS


def told(heads: Heads, trajectory: Trajectory) -> dict[str, Tensor]:
    """Return the targets that only the task tells, ``[T, P, width, B]`` by the head's name.

    Raises:
        ConfigError: The environment does not say such a thing, or it has not the head's size.
    """
    return {head.name: _told(head, trajectory) for head in heads if told_by_task(head)}


def _told(head: HeadConfig, trajectory: Trajectory) -> Tensor:
    facts, task, like = trajectory.facts, trajectory.task, trajectory.rewards
    for name in _CHOICE if head.target == "correct" else (head.target,):
        if name not in facts and name not in task:
            if head.target == "correct":
                raise ConfigError(
                    f"head {head.name}: the environment does not say which choices are correct "
                    f"(by {' and '.join(map(repr, _CHOICE))})"
                )
            raise ConfigError(
                f"head {head.name}: the environment does not say {name!r}"
                f"{did_you_mean(name, sorted({*facts, *task}))}"
            )
    if head.target == "correct":
        chosen, best = (facts[name].to(like) for name in _CHOICE)
        return (chosen >= best - 1e-6).to(like).unsqueeze(2)
    found = facts.get(head.target)
    if found is None:
        found = task[head.target].expand(trajectory.steps, *task[head.target].shape)
    found = found[..., None].flatten(3).transpose(2, 3)  # [T, P, numbers, B]
    if head.loss == "cross_entropy" and head.size > 1 and found.shape[2] == 1:
        return _one_hot(head, found.squeeze(2)).to(like)
    require_size(head, found.shape[2])
    return _probable(head, found.to(like))


def _one_hot(head: HeadConfig, index: Tensor) -> Tensor:
    """Return classes ``[T, P, B]`` as ``[T, P, size, B]`` of 0 and 1."""
    low, high = float(index.min()), float(index.max())
    if index.is_floating_point() and bool((index != index.round()).any()):
        raise ConfigError(
            f"head {head.name}: {head.target} is a number, not a class: cross_entropy needs size 1"
        )
    if low < 0 or high >= head.size:
        raise ConfigError(
            f"head {head.name}: {head.target} is a class of {low:.0f} to {high:.0f}: size must be "
            f"at least {high + 1:.0f}, not {head.size}"
        )
    return F.one_hot(index.long(), head.size).transpose(2, 3)


def _probable(head: HeadConfig, target: Tensor) -> Tensor:
    """Return a target ``[T, P, width, B]``, which of cross_entropy must be probabilities."""
    if head.loss != "cross_entropy":
        return target
    low, high = float(target.min()), float(target.max())
    if low < 0 or high > 1:
        raise ConfigError(
            f"head {head.name}: cross_entropy needs a target of 0 to 1, and {head.target} is of "
            f"{low:.3g} to {high:.3g}"
        )
    if head.size > 1 and bool(((target.sum(2) - 1).abs() > 1e-3).any()):
        raise ConfigError(
            f"head {head.name}: cross_entropy needs numbers of sum 1, and those of {head.target} "
            "are not"
        )
    return target


def ahead(x: Tensor, discount: Tensor, mask: Tensor | None) -> Target:
    """Return the mean of what comes, x_{t+1}, x_{t+2}, ..., with weights γ^0, γ^1, ... of sum 1.

    It is the normalised successor representation of x (Dayan 1993), to the end of the episode; at
    the last step nothing comes.

    Args:
        x: ``[T, P, n, B]``.
        discount: γ of each member, ``[P]``.
        mask: 1 until an episode has ended, ``[T, P, B]``; None: all have full length.
    """
    running = torch.ones_like(x[:, :, :1]) if mask is None else mask.unsqueeze(2).to(x)
    gamma = discount.to(x).view(1, -1, 1, 1)
    total = monte_carlo(next_values(x * running), gamma)
    share = monte_carlo(next_values(running), gamma)
    return Target(total / share.clamp(min=1e-12), (share > 0).to(x).squeeze(2))


def valued(
    heads: Heads, said: Mapping[str, Tensor], discount: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return values ``[T, P, B]`` and discounts ``[P]`` of heads that learn returns, by name.

    Args:
        heads: The heads.
        said: Their read-outs, ``[T, P, n, B]`` by name.
        discount: The learner's discount, ``[P]``.
    """
    return {
        head.name: (value(head, said[head.name]), _discount(head, discount))
        for head in heads
        if head.target == "returns"
    }


def _discount(head: HeadConfig, discount: Tensor) -> Tensor:
    """Return the discount of a head, ``[P]``: its own or the learner's."""
    return discount if head.discount is None else torch.full_like(discount, head.discount)


def targets(
    heads: Heads,
    trajectory: Trajectory,
    given: Mapping[str, Tensor],
    observed: slice,
    discount: Tensor,
    returns: Mapping[str, Tensor],
    generators: Sequence[torch.Generator],
) -> dict[str, Target]:
    """Return what each head learns from some episodes.

    Args:
        heads: The heads.
        trajectory: The episodes.
        given: What `told` returned of these episodes.
        observed: Which inputs are the observation.
        discount: The learner's discount, ``[P]``.
        returns: What those learn that learn returns, ``[T, P, B]`` by name.
        generators: One a member, for noise.

    Raises:
        ConfigError: A target has not the head's size.
    """
    found: dict[str, Target] = {}
    steps, tape = trajectory.steps, trajectory.tapes[-1]
    for head in heads:
        if head.name in given:
            found[head.name] = Target(given[head.name])
        elif head.target == "returns":
            found[head.name] = Target(returns[head.name].unsqueeze(2))
        elif head.target == "reward":
            found[head.name] = Target(_probable(head, trajectory.rewards.unsqueeze(2)))
        elif head.target == "noise":
            size = steps, width(head), trajectory.rewards.shape[2]
            drawn = [torch.randn(size, generator=g) for g in generators]
            found[head.name] = Target(torch.stack(drawn, dim=1).to(trajectory.rewards))
        else:
            seen = tape.hidden()[:steps]
            if head.target == "observation":
                seen = torch.stack([x[:, observed] for x in tape.x_t[:steps]])
            require_size(head, seen.shape[2])
            found[head.name] = ahead(seen, _discount(head, discount), trajectory.mask)
    return found


def estimates(
    config: A2CConfig, trajectory: Trajectory, judged: Sequence[tuple[Tensor, Tensor]]
) -> list[Estimate]:
    """Return advantages and targets for each pair of values ``[T, P, B]`` and discounts ``[P]``.

    All are computed in one call, as members side by side.
    """
    returned = [trajectory.to_the_end(*one) for one in judged]
    size = returned[0][0].shape
    each = [[x.expand(-1, size[1], x.shape[2]) for x in one] for one in returned]
    rewards, discounts, values = (torch.cat(parts, 1) for parts in zip(*each, strict=True))
    found = estimate(rewards, discounts, values, config.gae_lambda, config.n_step)
    pairs = zip(*(part.split(size[1], 1) for part in found), strict=True)
    return [Estimate(*pair) for pair in pairs]


def judge_heads(
    config: A2CConfig,
    heads: Heads,
    trajectory: Trajectory,
    values: Tensor,
    said: Mapping[str, Tensor],
    discount: Tensor,
    observed: slice,
    generators: Sequence[torch.Generator],
) -> tuple[Estimate, dict[str, Estimate], dict[str, Target]]:
    """Return what new episodes teach: the value head, heads that learn returns, and all heads.

    Args:
        config: Settings of the learner.
        heads: The heads.
        trajectory: The episodes.
        values: Of the value head, ``[T, P, B]``.
        said: Read-outs of the heads, ``[T, P, n, B]`` by name.
        discount: The learner's discount, ``[P]``.
        observed: Which inputs are the observation.
        generators: One a member, for noise.

    Returns:
        Advantages and targets of the value head, the same by name of heads that learn returns, and
        the targets of every head.
    """
    judged = valued(heads, said, discount)
    own, *others = estimates(config, trajectory, [(values, discount), *judged.values()])
    found = dict(zip(judged, others, strict=True))
    returns = {name: one.targets for name, one in found.items()}
    played = heads, trajectory, told(heads, trajectory), observed, discount
    return own, found, targets(*played, returns, generators)


def losses(
    heads: Heads,
    said: Mapping[str, Tensor],
    learned: Mapping[str, Target],
    actions: Tensor,
    weight: Tensor,
) -> tuple[Tensor | float, dict[str, Tensor]]:
    """Return the weighted sum of the losses of all heads ``[P]``, and each by ``head_NAME``.

    Args:
        heads: The heads.
        said: Their read-outs, ``[T, P, n, B]`` by name.
        learned: What they learn.
        actions: ``[T, P, B]``.
        weight: Of each step, see `step_weights`.
    """
    total: Tensor | float = 0.0
    parts = {}
    for head in heads:
        target, counts = learned[head.name]
        each = loss(head, of_action(head, said[head.name], actions), target)
        parts[f"head_{head.name}"] = mean(each if counts is None else each * counts, weight)
        total = total + head.weight * parts[f"head_{head.name}"]
    return total, parts


def require_size(head: HeadConfig, numbers: int) -> None:
    """Check that a head has the size of its target.

    Raises:
        ConfigError: It has not.
    """
    if width(head) == numbers:
        return
    has = f"head {head.name}: {head.target} has {numbers} number{'s' * (numbers != 1)}"
    if head.loss in LEVELLED:
        raise ConfigError(f"{has}, and {head.loss} heads learn one")
    raise ConfigError(f"{has}: size must be {numbers}, not {head.size}")


def check_heads(heads: Heads, environment: EnvironmentSpec, hidden_size: int) -> None:
    """Check that an environment tells what heads learn; some rows of it are played, at random.

    Raises:
        ConfigError: It does not, or in another size.
    """
    asked = [h for h in heads if told_by_task(h) or h.loss == "cross_entropy"]
    if not heads:
        return
    envs = make_envs(environment, [0], ROWS if asked else 1, facts=True, discrete=False)
    for head in heads:
        if head.per_action and not isinstance(envs.single_action_space, spaces.Discrete):
            raise ConfigError(
                f"head {head.name}: per_action needs Discrete actions, not "
                f"{envs.single_action_space}"
            )
    observed = envs.input_slices["observation"]
    size = observed.stop - observed.start
    for head in heads:
        if head.target in ("observation", "encoding"):
            require_size(head, size if head.target == "observation" else hidden_size)
    if asked:
        played = _played(envs)
        told(heads, played)
        for head in asked:
            if head.target == "reward":
                _probable(head, played.rewards.unsqueeze(2))
    envs.close()


def _played(envs: Any) -> Trajectory:
    """Return an episode of random actions, or its beginning, without tapes."""
    generator = torch.Generator().manual_seed(0)
    task = envs.reset(seed=0)[1].get("task", {})
    rewards, facts = [], []
    for _ in range(min(envs.steps, STEPS)):
        actions = random_actions(envs.single_action_space, envs.num_envs, generator)
        _, reward, ended, cut, info = envs.step(actions)
        rewards.append(reward.clone())
        facts.append({n: x.clone() for n, x in info.items() if isinstance(x, Tensor)})
        if bool((ended | cut).all()):
            break
    told = {name: torch.stack([one[name] for one in facts]).unsqueeze(1) for name in facts[0]}
    tasks = {name: x.unsqueeze(0) for name, x in task.items()}
    reward = torch.stack(rewards).unsqueeze(1)
    return Trajectory([], reward.long(), reward, task=tasks, facts=told)


def baseline_head(network: NetworkConfig) -> HeadConfig:
    """Return the head whose mean is the baseline where `critic` is "heads".

    Raises:
        ConfigError: There is none.
    """
    for head in network.heads:
        if head.target == "returns" and head.discount is None:
            return head
    raise ConfigError(
        'critic="heads" needs a head that learns returns with the learner\'s discount: --head '
        "name=values target=returns loss=expectile size=9"
    )


def recorded(
    heads: Heads, said: Mapping[str, Tensor], trajectory: Trajectory, discount: Tensor
) -> dict[str, Tensor]:
    """Return what heads said in some episodes, ``head.NAME [T, P, B, size]``.

    Of heads that learn returns also ``rpe.NAME``, r_t + γ mean_j V_j(s_t) - V_i(s_{t-1}) of each.

    Args:
        heads: The heads.
        said: Their read-outs, ``[T, P, n, B]`` by name.
        trajectory: The episodes.
        discount: γ of heads that have none of their own, ``[P]``.
    """
    found = {}
    for head in heads:
        read = reading(head, of_action(head, said[head.name], trajectory.actions))
        found[f"head.{head.name}"] = read.transpose(2, 3)
        if head.target == "returns":
            values, gamma = value(head, said[head.name]), _discount(head, discount)
            rewards, discount_t, values = trajectory.to_the_end(values, gamma)
            reached = rewards + discount_t * next_values(values)
            found[f"rpe.{head.name}"] = (reached.unsqueeze(2) - read).transpose(2, 3)
    return found
