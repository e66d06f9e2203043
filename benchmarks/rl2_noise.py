"""What A2C keeps of a good policy, and what noise costs: RL² at 100 pulls of 10 arms.

    python -m benchmarks.rl2_noise
    python -m benchmarks.rl2_noise --told-steps 200000 --steps 100000 --only "one pass"

An agent is told at every step what the Gittins index does (cross-entropy; tied arms share). Then it
goes on by A2C from reward, in several ways. Printed are the reward of an episode (of a choice: the
probability of its arm) and the arms tried. docs/findings/duan2016-bandits.md has the results.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
import tyro
from torch import Tensor

from benchmarks.measure import command
from prefrontal.agents.a2c.learner import A2C, make_learner
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.optim import anneal, clip_by_norm
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.reference.bandit_optima import gittins_table
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.rollout import Rollout, Trajectory
from prefrontal.experiments.bandits.duan2016_bandits import EXPERIMENT

SETTINGS = EXPERIMENT.conditions["10x100"]
ARMS, PULLS = (SETTINGS.environment.kwargs[name] for name in ("arms", "trials"))
#: How agents go on from what they were told: settings in place of `ONWARD`.
ONWARD = {
    "learning_rate": 2e-3,
    "discount_final": 1.0,
    "gae_lambda": 1.0,
    "entropy_coef": 0.0,
    "critic_units": 64,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "four passes": {},
    "one pass": {"passes": 1},
    "N 256": {"num_envs": 256},
    "expected rewards": {},
    "λ .95": {"gae_lambda": 0.95},
    "discount .99, λ .95, critic of 256 units": {
        "discount_final": 0.99,
        "gae_lambda": 0.95,
        "critic_units": 256,
    },
    "discount .97, λ .95": {"discount": 0.97, "discount_final": 0.97, "gae_lambda": 0.95},
}


@dataclass(frozen=True)
class Config:
    """How long.

    Attributes:
        told_steps: Steps of being told.
        steps: Steps of A2C (of N 256: twice as many).
        batches: Batches of 500 episodes that are measured.
        seed: Seed of the agents.
        only: Variants; none named: all.
    """

    told_steps: int = 24_000_000
    steps: int = 4_000_000
    batches: int = 32
    seed: int = 5
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")] = ()


def learner(seed: int, options: Mapping[str, Any]) -> A2C:
    """Return one agent with the settings of the experiment, but for some."""
    return make_learner(SETTINGS.with_options(**options).job(seed), [0])


def gittins_choices(actions: Tensor, rewards: Tensor, discount: float = 0.99) -> Tensor:
    """Return what the Gittins index does at each step, ``[T, B, A]``; tied arms share.

    Args:
        actions: Arms that were pulled, ``[T, B]``.
        rewards: What they paid, ``[T, B]``.
        discount: Of the index.
    """
    table = torch.tensor(gittins_table(discount, PULLS))
    pulled = torch.nn.functional.one_hot(actions, ARMS)
    pulls = pulled.cumsum(0) - pulled  # before each step
    won = pulled * rewards.long().unsqueeze(2)
    wins = won.cumsum(0) - won
    index = table[wins, pulls - wins]
    best = (index == index.max(2, keepdim=True).values).float()
    return best / best.sum(2, keepdim=True)


def tell(agent: A2C, steps: int, rate: float = 7e-3) -> None:
    """Train an agent by cross-entropy with `gittins_choices` on episodes of its own."""
    model = agent.model
    while (made := float(agent.steps)) < steps:
        trajectory = agent.rollout.collect()
        parameters = model.parameters.requires_grad_()
        logits, _ = model.heads(trajectory.tapes, parameters)
        labels = gittins_choices(trajectory.actions[:, 0], trajectory.rewards[:, 0])
        named = logits[:PULLS, 0].log_softmax(1).transpose(1, 2)
        loss = -(labels * named).sum(2).mean()
        (gradient,) = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            clip_by_norm(gradient, 1.0)
            flat = parameters.detach()
            size = anneal(rate, 0.0, torch.tensor([[made / steps]], dtype=model.dtype))
            agent.optimiser.step(flat, gradient, size)
            model.set_parameters(flat)
        agent.steps += trajectory.actions[0].numel() * PULLS


def expect(agent: A2C) -> None:
    """Let the advantages of an agent be made of what its choices pay on average."""
    assert agent.critic is not None
    judge = agent.critic.judge

    def judged(config: Any, trajectory: Trajectory, *rest: Any) -> Any:
        assert trajectory.privileged is not None  # the arms, and the time
        chosen = trajectory.privileged.gather(3, trajectory.actions.unsqueeze(3)).squeeze(3)
        return judge(config, replace(trajectory, rewards=chosen), *rest)

    agent.critic.judge = judged  # type: ignore[assignment,method-assign]


@torch.no_grad()
def measure(agent: A2C, batches: int, deterministic: bool = False) -> tuple[float, float]:
    """Return the mean reward of an episode, and the mean number of arms tried."""
    envs = make_envs(SETTINGS.environment, [0], 500, split="all", facts="episode")
    envs.reset(seed=90210)
    rollout = Rollout(envs, agent.model, 500, [generator(7, 0, "evaluation")], facts=True)
    reward, tried = 0.0, 0.0
    for _ in range(batches):
        played = rollout.collect(deterministic)
        reward += float(played.facts["expected_reward"].sum(0).mean()) / batches
        arms = torch.nn.functional.one_hot(played.actions, ARMS).amax(0)
        tried += float(arms.sum(-1).float().mean()) / batches
    return reward, tried


def main(config: Config) -> None:
    """Tell, go on in each way, and print a table."""
    if unknown := set(config.only) - set(VARIANTS):
        raise ConfigError(f"no variant {min(unknown)!r}; there are: {'; '.join(VARIANTS)}")
    torch.set_num_threads(1)
    told = learner(config.seed, {"num_envs": 32})
    start = time.process_time()
    tell(told, config.told_steps)
    taught, spent = told.model.parameters.detach().clone(), time.process_time() - start
    print("| agent | steps | CPU-s | reward | greedy actions | arms tried |")
    print("|---|---|---|---|---|---|")

    def row(name: str, agent: A2C, seconds: float) -> None:
        reward, tried = measure(agent, config.batches)
        greedy, _ = measure(agent, config.batches, deterministic=True)
        steps = f"{float(agent.steps) / 1e6:.1f} M"
        print(f"| {name} | {steps} | {seconds:.0f} | {reward:.2f} | {greedy:.2f} | {tried:.1f} |")

    row("told", told, spent)
    for name in config.only or VARIANTS:
        total = config.steps * (2 if name == "N 256" else 1)
        agent = learner(config.seed, ONWARD | VARIANTS[name] | {"total_steps": total})
        agent.model.set_parameters(taught)
        if name == "expected rewards":
            expect(agent)
        start = time.process_time()
        while float(agent.steps) < total:
            agent.update()
        row(name, agent, time.process_time() - start)


if __name__ == "__main__":
    command(main, Config, __doc__)
