"""What heads beside policy and value learn: the targets of a batch of episodes, and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.common.errors import ConfigError, did_you_mean
from prefrontal.agents.common.returns import Estimate, estimate, mean, monte_carlo, next_values
from prefrontal.agents.networks.config import TARGETS, HeadConfig, NetworkConfig
from prefrontal.agents.networks.heads import loss, of_action, reading, value, width
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.rollout import Trajectory
from prefrontal.agents.rollout.spec import EnvironmentSpec

Heads = Sequence[HeadConfig]

_CHOICE = ("expected_reward", "optimal_reward")


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
            known = sorted({*facts, *task})
            raise ConfigError(
                f"head {head.name}: the environment does not say {name!r}"
                f"{did_you_mean(name, known)}"
            )
    if head.target == "correct":
        chosen, best = (facts[name].to(like) for name in _CHOICE)
        return (chosen >= best - 1e-6).to(like).unsqueeze(2)
    found = facts.get(head.target)
    if found is None:
        found = task[head.target].expand(trajectory.steps, *task[head.target].shape)
    found = found[..., None].flatten(3).transpose(2, 3)  # [T, P, numbers, B]
    classes = head.loss == "cross_entropy" and head.size > 1
    if classes and found.shape[2] == 1:
        index = found.squeeze(2).long()
        if bool((index < 0).any() or (index >= head.size).any()):
            raise ConfigError(
                f"head {head.name}: {head.target} is a class of 0 to {int(index.max())}, and the "
                f"head has a size of {head.size}"
            )
        return torch.nn.functional.one_hot(index, head.size).transpose(2, 3).to(like)
    if found.shape[2] != width(head):
        raise ConfigError(
            f"head {head.name}: {head.target} has {found.shape[2]} numbers, and the head "
            f"{width(head)}"
        )
    if head.loss == "cross_entropy" and bool((found < 0).any() or (found > 1).any()):
        raise ConfigError(
            f"head {head.name}: cross_entropy needs a target of 0 to 1, and {head.target} is of "
            f"{float(found.min()):.3g} to {float(found.max()):.3g}"
        )
    return found.to(like)


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
            found[head.name] = Target(trajectory.rewards.unsqueeze(2))
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
    if width(head) != numbers:
        raise ConfigError(
            f"head {head.name}: the {head.target} has {numbers} numbers: size must be {numbers}, "
            f"not {head.size}"
        )


def check_heads(heads: Heads, environment: EnvironmentSpec, hidden_size: int) -> None:
    """Check that an environment tells what heads learn; a row of it is played for a step.

    Raises:
        ConfigError: It does not, or in another size.
    """
    if not heads:
        return
    envs = make_envs(environment, [0], 1, facts=True)
    task = envs.reset(seed=0)[1].get("task", {})
    _, _, _, _, info = envs.step(torch.zeros(1, dtype=torch.int64))
    envs.close()
    observed = envs.input_slices["observation"]
    one = torch.zeros(1, 1, 1)
    facts = {n: x.unflatten(0, (1, 1, 1)) for n, x in info.items() if isinstance(x, Tensor)}
    tasks = {name: x.unflatten(0, (1, 1)) for name, x in task.items()}
    told(heads, Trajectory([], one.long(), one, task=tasks, facts=facts))
    for head in heads:
        if head.target in ("observation", "encoding"):
            seen = head.target == "observation"
            require_size(head, observed.stop - observed.start if seen else hidden_size)


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
