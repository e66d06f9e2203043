"""The replay buffer of the NeuroAI course, with its flaws: for comparison with replay that works, and for nothing else.

The course's A2C (Neuromatch NeuroAI, W2D4 tutorial 5) writes into its buffer the *loss* of every update, with the graph that it
was computed by, and later back-propagates it again. That graph is the one of the weights at that time: its gradient is the same
every time and knows nothing of the agent that it is applied to. It is a list of old gradients, not of experience. What is kept
here is therefore that gradient itself, which is the same thing (a test compares the two) in a hundredth of the memory.

The loss is the published one too: values have the shape (T, 1) and returns (T,), so that "advantages" are a T x T matrix of
every return less every value. The critic learns the mean return of the rollout, whatever the state, and the actor's baseline is
the mean value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from prefrontal.agents.base import Job
from prefrontal.agents.common.errors import TrainingError
from prefrontal.agents.common.optim import Optimiser
from prefrontal.agents.common.returns import monte_carlo
from prefrontal.agents.common.seeding import generator, generator_states, set_generator_states
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.population import Population
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.rollout import Rollout

__all__ = ["CourseReplay", "CourseReplayConfig", "published_loss"]


@dataclass(frozen=True)
class CourseReplayConfig:
    """Hyper-parameters of the course's A2C with its buffer; the defaults are the published ones.

    Attributes:
        learning_rate: Step size of RMSProp, constant; moments start anew with every stage.
        epsilon: Added to the root of the second moment.
        discount: Discount γ of Monte Carlo returns within a rollout.
        value_coef: Weight of the squared error of values.
        entropy_coef: Weight of the entropy bonus.
        capacity: Gradients of the first stage that are kept, the newest; 0 for no buffer.
    """

    kind: ClassVar[str] = "course-replay"

    learning_rate: float = 7.5e-4
    epsilon: float = 1e-5
    discount: float = 0.91
    value_coef: float = 0.4
    entropy_coef: float = 0.001
    capacity: int = 250

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount must be between 0 and 1, not {self.discount}")
        for name in ("learning_rate", "epsilon"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("value_coef", "entropy_coef", "capacity"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")

    @property
    def final_discount(self) -> float:
        """Discount γ."""
        return self.discount

    def learner(self, job: Job, members: Sequence[int]) -> CourseReplay:
        """A learner for some members of a job."""
        return CourseReplay(self, job, members)

    def population(self, job: Job, weights: Tensor) -> Population:
        """The agents with these weights."""
        return Population.of(job, weights)

    def updates(self, job: Job) -> float:
        """Updates of a whole run."""
        envs = make_envs(job.environment, [0], 1)
        envs.close()
        return job.total_steps / (int(envs.steps) * job.num_envs)


def published_loss(
    logits: Tensor, values: Tensor, actions: Tensor, returns: Tensor, config: CourseReplayConfig
) -> Tensor:
    """The course's loss of each member, ``[P]``: mean(-log π_j A_ij) + value_coef mean(A_ij²) - entropy_coef mean H.

    ``A_ij = G_j - v_i`` for every pair of steps of the rollout (see the module). Both means are written without the matrix.

    Args:
        logits: ``[P, K, N]``.
        values: ``[P, N]``.
        actions: ``[P, N]``.
        returns: Returns G ``[P, N]``.
        config: The weights.
    """
    log_probs = logits.log_softmax(1)
    chosen = log_probs.gather(1, actions.unsqueeze(1)).squeeze(1)
    baseline = values.detach().mean(1, keepdim=True)
    policy = -(chosen * (returns - baseline)).mean(1)
    mean = returns.mean(1, keepdim=True)
    value = (values - mean).square().mean(1) + (returns - mean).square().mean(1)
    entropy = -(log_probs.exp() * log_probs).sum(1).mean(1)
    return policy + config.value_coef * value - config.entropy_coef * entropy


class CourseReplay:
    """P members of the course's agent. The buffer is written in the first stage, and read in the later ones.

    Args:
        config: Hyper-parameters.
        job: What to train; every update is one rollout of one episode (or several side by side).
        members: Identities of the members.
    """

    def __init__(self, config: CourseReplayConfig, job: Job, members: Sequence[int]) -> None:
        self.config, self.job, self.members = config, job, list(members)
        self.stages = max(1, len(job.environment.stages))
        self.stage = 0
        self.envs = self._make_envs()
        inputs, actions = self.envs.single_observation_space.shape[0], self.envs.num_actions
        self.model = ActorCritic(inputs, actions, job.network, len(self.members), device=job.device)
        self.model.initialise([generator(job.seed, m, "weights") for m in self.members])
        self.optimiser = Optimiser(self.model.parameters, "rmsprop", config.epsilon)
        self.generators = [generator(job.seed, m, "actions") for m in self.members]
        self.envs.reset(seed=job.seed)
        self._rollout = Rollout(self.envs, self.model, job.num_envs, self.generators)
        self.steps = torch.zeros(len(self.members), dtype=torch.float64)
        size = self.model.parameters.shape
        self.buffer = torch.zeros(size[0], config.capacity, size[1])
        self.written = self.read = 0

    def _make_envs(self) -> Any:
        job = self.job
        spec = job.environment.stage(self.stage) if job.environment.stages else job.environment
        return make_envs(spec, self.members, job.num_envs, device=job.device)

    def _enter(self, stage: int) -> None:
        """Goes on in another stage: other episodes, fresh moments, the same agent."""
        state = self.envs.random_state()
        self.envs.close()
        self.stage = stage
        self.envs = self._make_envs()
        self.envs.set_random_state(state)
        self._rollout = Rollout(self.envs, self.model, self.job.num_envs, self.generators)
        self.optimiser = Optimiser(self.model.parameters, "rmsprop", self.config.epsilon)

    def _due(self) -> int:
        """The stage that so many steps have come to."""
        part = float(self.steps[0]) / self.job.total_steps
        return min(int(part * self.stages), self.stages - 1)

    def update(self) -> dict[str, Tensor]:
        """Plays one rollout, learns from it, and writes its gradient into the buffer or applies one that is there."""
        if self._due() != self.stage:
            self._enter(self._due())
        # COLLECT
        trajectory = self._rollout.collect()
        returns = monte_carlo(trajectory.rewards, self.config.discount)
        # UPDATE
        parameters = self.model.parameters.requires_grad_()
        logits, values = self.model.heads(trajectory.tapes, parameters)
        by_member = logits.permute(1, 2, 0, 3).flatten(2)
        loss = published_loss(
            by_member,
            _by_member(values),
            _by_member(trajectory.actions),
            _by_member(returns),
            self.config,
        )
        (gradient,) = torch.autograd.grad(loss.sum(), parameters)
        self._apply(gradient)
        # REPLAY
        if self.stage == 0 and self.config.capacity:
            self.buffer[:, self.written % self.config.capacity] = gradient.cpu()
            self.written += 1
        elif self.written:
            slot = self.read % min(self.config.capacity, self.written)
            self._apply(self.buffer[:, slot].to(gradient))
            self.read += 1
        steps, _, batch = trajectory.actions.shape
        self.steps += float(steps * batch)
        log_probs = by_member.detach().log_softmax(1)
        metrics = {
            "return": _by_member(trajectory.rewards).double().sum(1) / batch,
            "entropy": -(log_probs.exp() * log_probs).sum(1).mean(1),
            "loss": loss.detach(),
            "gradient_norm": torch.linalg.vector_norm(gradient, dim=1),
            "stage": torch.full((len(self.members),), float(self.stage)),
        }
        return {name: value.cpu().to(torch.float64) for name, value in metrics.items()}

    def _apply(self, gradient: Tensor) -> None:
        """One step of the optimiser."""
        if not bool(torch.isfinite(gradient).all()):
            raise TrainingError("a loss is not a number: try a smaller --learning-rate")
        flat = self.model.parameters
        self.optimiser.step(flat, gradient, self.config.learning_rate)
        self.model.set_parameters(flat)

    def state(self) -> dict[str, Tensor]:
        """All that training needs to go on exactly."""
        count = torch.tensor([[self.written, self.read, self.stage]]).expand(len(self.members), 3)
        state = {
            "weights": self.model.parameters.cpu(),
            "steps": self.steps.clone(),
            "generator.actions": generator_states(self.generators),
            "envs.generators": self.envs.random_state()["generators"],
            "buffer": self.buffer,
            "buffer.count": count.clone(),
        }
        moments = self.optimiser.state()
        return state | {f"optimiser.{n}": v.cpu().clone() for n, v in moments.items()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restores what `state` returned."""
        self.steps = state["steps"].clone()
        self._enter(int(state["buffer.count"][0, 2]))
        self.model.set_parameters(state["weights"].to(self.model.device))
        set_generator_states(self.generators, state["generator.actions"])
        self.envs.set_random_state({"generators": state["envs.generators"]})
        names = ("first", "second", "count")
        self.optimiser.set_state({name: state[f"optimiser.{name}"] for name in names})
        self.buffer.copy_(state["buffer"])
        self.written, self.read, _ = (int(n) for n in state["buffer.count"][0])

    def close(self) -> None:
        """Releases the environments."""
        self.envs.close()


def _by_member(x: Tensor) -> Tensor:
    """``[T, P, B]`` as ``[P, T * B]``."""
    return x.transpose(0, 1).contiguous().flatten(1)
