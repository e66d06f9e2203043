"""Where agents on two independent arms lose what the Bayes-optimal policy does not.

    python -m benchmarks.lost_regret wang2016-bandit
    python -m benchmarks.lost_regret runs/long --episodes 3000

In every posterior that an agent gets into, the choice of the optimal policy is worth V and that of
the agent Q: what it loses there is V - Q, and the sum over an episode is, on average, its regret
above the smallest possible. Printed are means over members with 95 % intervals: in all, by trials,
and by the kind of mistake; then what policies lose that are optimal but for a discount.
docs/findings/wang2016-bandit.md has the results.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

import prefrontal as pf
from benchmarks.measure import command
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.analysis.stats.intervals import interval

PARTS = (0, 10, 20, 40, 70, 100)  # hundredths of an episode
DISCOUNTS = (0.8, 0.97, 0.98, 0.99)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Config:
    """What is measured.

    Attributes:
        agents: Name of shipped agents, or folder of a run, on `TwoArmedBandit`.
        episodes: Of each member.
        seed: Of tasks and choices.
    """

    agents: tyro.conf.Positional[str]
    episodes: int = 3000
    seed: int = 0


def worths(trials: int) -> list[NDArray[np.float32]]:
    """Return what both choices are worth in every posterior of every trial.

    Undiscounted and exact, for two arms that pay with probabilities uniform on [0, 1].

    Returns:
        For each trial t, ``[2, t + 1, t + 1, t + 1]``: choice, pulls of arm 0, wins of either arm.
    """
    value, found = np.zeros((trials + 1,) * 3), []
    for t in reversed(range(trials)):
        both = _both(value, t)
        value = both.max(0)
        found.append(both.astype(np.float32))
    return found[::-1]


def _both(after: Floats, t: int, discount: float = 1.0) -> Floats:
    """Return what both choices of a trial are worth, ``[2, ...]``, by the values after it."""
    n, first, second = np.ogrid[: t + 1, : t + 1, : t + 1]
    p, q = (first + 1) / (n + 2), (second + 1) / (t - n + 2)
    v, here = discount * after, slice(None, -1)
    arm0 = p * (1 + v[1:, 1:, here]) + (1 - p) * v[1:, here, here]
    arm1 = q * (1 + v[here, here, 1:]) + (1 - q) * v[here, here, here]
    return np.stack([arm0, arm1])


def shortsighted(trials: int, discount: float) -> float:
    """Return what the policy loses in an episode that is optimal for discounted rewards."""
    sought = earned = np.zeros((trials + 1,) * 3)
    for t in reversed(range(trials)):
        told, own = _both(sought, t, discount), _both(earned, t)
        lead = told[0] - told[1]
        earned = np.where(lead > 1e-12, own[0], np.where(lead < -1e-12, own[1], own.mean(0)))
        sought = told.max(0)
    return float(worths(trials)[0].max() - earned.max())


def losses(action: NDArray[np.int64], reward: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return what each choice loses ``[..., T]``, and whether it is the arm that looks better.

    Args:
        action: Choices 0 and 1, ``[..., T]``.
        reward: What they paid, 0 or 1.
    """
    pulls, wins, others = (np.zeros(action.shape[:-1], np.int64) for _ in range(3))
    lost, greedy = np.zeros(action.shape), np.zeros(action.shape, bool)
    for t, worth in enumerate(worths(action.shape[-1])):
        each, chosen = worth[:, pulls, wins, others].astype(np.float64), action[..., t] == 1
        lost[..., t] = each.max(0) - np.where(chosen, each[1], each[0])
        better = (others + 1) / (t - pulls + 2) - (wins + 1) / (pulls + 2)
        greedy[..., t] = np.where(chosen, better > 0, better < 0)
        paid = reward[..., t] > 0
        pulls, wins, others = pulls + ~chosen, wins + (~chosen & paid), others + (chosen & paid)
    return lost, greedy


def main(config: Config) -> None:
    """Measure and print a table."""
    torch.set_num_threads(1)
    agents = pf.load(config.agents)
    if agents.environment.id != "prefrontal/TwoArmedBandit-v0":
        raise ConfigError(f"{config.agents} plays {agents.environment.id}, not TwoArmedBandit")
    if config.episodes < 1:
        raise ConfigError(f"episodes must be at least 1, not {config.episodes}")
    given = agents.environment, agents.members, config.episodes
    envs = make_envs(*given, split="all", facts=True)
    envs.reset(seed=config.seed)
    record = next(iter(agents.record(envs, 1, seed=config.seed, discount=1.0)))
    lost, greedy = losses(record["action"], record["reward"])
    trials = lost.shape[2]
    ends = [trials * part // 100 for part in PARTS]
    parts = {f"trials {a} to {b - 1}": lost[:, :, a:b] for a, b in itertools.pairwise(ends)}
    parts |= {
        "the arm that looks better is chosen": lost * greedy,
        "another arm is chosen": lost * ~greedy,
    }
    print("| lost in an episode | mean and 95 % interval |")
    print("|---|---|")
    for name, part in ({"in all": lost} | parts).items():
        print(f"| {name} | {interval(part.sum(2).mean(1))} |")
    for discount in DISCOUNTS:
        label = f"in all, by the policy that is optimal for discount {discount:g}"
        print(f"| {label} | {shortsighted(trials, discount):.4g} |")


if __name__ == "__main__":
    command(main, Config, __doc__)
