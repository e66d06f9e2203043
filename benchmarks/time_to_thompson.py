"""Processor time until an agent beats Thompson sampling on the two-armed bandit: what speed is for.

    python -m benchmarks.time_to_thompson                       # ours, 8 members at once
    python -m benchmarks.time_to_thompson --peer --members 1    # RecurrentPPO, one by one

An agent beats it when its regret (mean over new tasks of the whole square, sampled actions, frozen
weights) is below that of Thompson sampling, 2.79 over 100 trials, at one evaluation and at a second
one on other tasks. Time is that of training alone, without evaluations; a member of a population is
charged its share of it.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

THOMPSON = 2.79
BATCH = 512  # episodes of one member played at once in an evaluation


@dataclass(frozen=True)
class Config:
    """Settings of a run.

    Attributes:
        experiment: Experiment whose default condition says how ours are trained.
        members: Agents.
        seed: Seed of the run.
        steps: Most environment steps per agent; by default those of the experiment (2 million for
            the peer).
        every: Environment steps between evaluations.
        episodes: Episodes per evaluation and agent.
        peer: Train RecurrentPPO in place of ours.
        json: Also write the result to this file.
    """

    experiment: str = "wang2016-bandit"
    members: int = 8
    seed: int = 0
    steps: int | None = None
    every: int = 200_000
    episodes: int = 2_048
    peer: bool = False
    json: Path | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.members, self.every, self.episodes) < 1 or (
            self.steps is not None and self.steps < 1
        ):
            raise ValueError("members, steps, every and episodes must be at least 1")


@dataclass(frozen=True)
class Arrival:
    """When one agent beat Thompson sampling.

    Attributes:
        agent: Which agent.
        steps: Environment steps it had made, or None if it never did.
        cpu: Seconds of processor time it had used.
        regret: Its regret at the last evaluation.
    """

    agent: int
    steps: int | None
    cpu: float
    regret: float


Look = Callable[[int], np.ndarray]
"""An evaluation: from a seed of the tasks to the regret of each agent, ``[M]``."""


def ours(config: Config) -> tuple[Iterator[int], Look, int]:
    """Return training (environment steps per member and update), evaluation and total steps."""
    from prefrontal import envs  # noqa: F401 (registers the ids)
    from prefrontal.agents.a2c.learner import A2C
    from prefrontal.agents.common.seeding import generator
    from prefrontal.agents.rollout.environments import make_envs
    from prefrontal.agents.rollout.rollout import Rollout
    from prefrontal.experiments.experiment import find_experiment

    settings = find_experiment(config.experiment).conditions["default"]
    training = replace(settings.training, members=config.members)
    job = replace(settings, training=training).job(config.seed, "cpu")
    members = range(config.members)
    learner = settings.algorithm.learner(job, members)
    assert isinstance(learner, A2C)

    def train() -> Iterator[int]:
        while True:
            learner.update()
            yield int(learner.envs.steps) * job.num_envs

    def look(seed: int) -> np.ndarray:
        batch = min(BATCH, config.episodes)
        looked = make_envs(job.environment, members, batch, split="all", facts=True)
        looked.reset(seed=seed)
        actions = [generator(seed, member, "evaluation") for member in members]
        rollout = Rollout(looked, learner.model, batch, actions, facts=True)
        parts = []
        for _ in range(-(-config.episodes // batch)):
            facts = rollout.collect().facts
            lost = facts["optimal_reward"] - facts["expected_reward"]  # [T, P, B]
            parts.append(lost.sum(0).mean(1))
        looked.close()
        return torch.stack(parts).mean(0).numpy()

    return train(), look, config.steps or job.total_steps


def recurrent_ppo(config: Config, agent: int) -> tuple[Iterator[int], Look, int]:
    """Return the same for a RecurrentPPO agent: 16 environments, 4 epochs, rates annealed to 0."""
    import gymnasium
    from sb3_contrib import RecurrentPPO

    from benchmarks.peers.common import BANDIT, CLIP_NORM, HIDDEN, TRIALS
    from prefrontal.envs import to_sb3_vec_env

    inputs, num_envs = ("action", "centred_reward", "time"), 16
    rollout, total = TRIALS * num_envs, config.steps or 2_000_000

    def make(n: int, facts: bool) -> Any:
        return gymnasium.make_vec(BANDIT, num_envs=n, split="all", inputs=inputs, facts=facts)

    training = make(num_envs, facts=False)
    model: Any = RecurrentPPO(
        "MlpLstmPolicy",
        to_sb3_vec_env(training),
        learning_rate=lambda left: 5e-3 * left,
        n_steps=TRIALS,
        batch_size=rollout,
        n_epochs=4,
        gamma=0.9,
        gae_lambda=0.95,
        ent_coef=0.02,
        vf_coef=0.25,
        max_grad_norm=CLIP_NORM,
        policy_kwargs={
            "lstm_hidden_size": HIDDEN,
            "net_arch": [],
            "shared_lstm": True,
            "enable_critic_lstm": False,
        },
        device="cpu",
        seed=config.seed + agent,
    )

    def train() -> Iterator[int]:
        model._setup_learn(total)
        iterations = 0
        while True:
            iterations += 1
            model.collect_rollouts(model.env, _callback(model), model.rollout_buffer, TRIALS)
            model._update_current_progress_remaining(iterations * rollout, total)
            model.train()
            yield rollout

    def look(seed: int) -> np.ndarray:
        batch, lost = min(BATCH, config.episodes), []
        looked = make(batch, facts=True)
        observation, _ = looked.reset(seed=seed)
        for _ in range(-(-config.episodes // batch)):
            state, start = None, np.ones(batch, bool)
            regret = np.zeros(batch)
            for _ in range(TRIALS):
                action, state = model.predict(observation, state, start)
                observation, _, _, _, info = looked.step(action)
                start = np.zeros(batch, bool)
                regret += info["optimal_reward"] - info["expected_reward"]
            lost.append(regret.mean())
        looked.close()
        return np.array([np.mean(lost)])

    return train(), look, total


def _callback(model: Any) -> Any:
    from stable_baselines3.common.callbacks import CallbackList

    callback = CallbackList([])
    callback.init_callback(model)
    return callback


def race(
    train: Iterator[int],
    look: Look,
    agents: int,
    total: int,
    every: int,
    say: Callable[[str], None],
) -> list[Arrival]:
    """Train until every agent has beaten Thompson sampling, or to the end.

    Args:
        train: Yields the environment steps per agent of each update.
        look: From a seed of the tasks to the regret of each agent, ``[M]``.
        agents: Agents M that are trained side by side.
        total: Most environment steps per agent.
        every: Environment steps between evaluations.
        say: Called with a line at every evaluation.
    """
    arrivals: dict[int, Arrival] = {}
    steps, cpu, looks = 0, 0.0, 0
    while steps < total and len(arrivals) < agents:
        start, goal = time.process_time(), min(total, steps + every)
        while steps < goal:
            steps += next(train)
        cpu += time.process_time() - start
        looks += 1
        regret, share = look(2 * looks), cpu / agents
        say(
            f"{steps} steps, {share:.1f} CPU-s per agent: regret "
            + " ".join(f"{r:.2f}" for r in regret)
        )
        new = [a for a in range(agents) if a not in arrivals and regret[a] < THOMPSON]
        if new:
            again = look(2 * looks + 1)
            for a in new:
                if again[a] < THOMPSON:
                    arrivals[a] = Arrival(a, steps, share, float(again[a]))
    never = [a for a in range(agents) if a not in arrivals]
    late = [Arrival(a, None, cpu / agents, float(regret[a])) for a in never]
    return sorted([*arrivals.values(), *late], key=lambda arrival: arrival.agent)


def main(config: Config) -> None:
    """Train, print when each agent was good enough and the median, and write the file."""
    torch.set_num_threads(1)
    arrivals: list[Arrival] = []

    def say(line: str) -> None:
        print(line, flush=True)

    if config.peer:
        for agent in range(config.members):
            train, look, total = recurrent_ppo(config, agent)
            (arrival,) = race(train, look, 1, total, config.every, say)
            arrivals.append(replace(arrival, agent=agent))
    else:
        train, look, total = ours(config)
        arrivals = race(train, look, config.members, total, config.every, say)
    name = "RecurrentPPO" if config.peer else f"ours ({config.experiment})"
    arrived = [a for a in arrivals if a.steps is not None]
    print(f"{name}: {len(arrived)} of {len(arrivals)} agents beat Thompson sampling ({THOMPSON})")
    # An agent that never arrived counts as later than all others.
    times = sorted(a.cpu if a.steps is not None else float("inf") for a in arrivals)
    steps = sorted(float("inf") if a.steps is None else a.steps for a in arrivals)
    millions = statistics.median(steps) / 1e6
    print(f"median: {statistics.median(times):.1f} CPU-s, {millions:.2f} million steps")
    if config.json is not None:
        rows = [asdict(arrival) for arrival in arrivals]
        config.json.write_text(json.dumps({"name": name, "arrivals": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
