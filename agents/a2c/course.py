"""The replay buffer of the NeuroAI course, with its flaws: a control for replay that works.

The course's A2C (Neuromatch NeuroAI, W2D4 tutorial 5) keeps the *loss* of every update, with the
graph that computed it, and back-propagates it again later. That graph belongs to the weights of
that time: its gradient is the same every time and knows nothing of the agent it is applied to. What
is kept here is that gradient itself, which is the same thing (a test compares the two) in a
hundredth of the memory.

The loss is the published one too: values have the shape (T, 1) and returns (T,), so that
"advantages" are a T x T matrix of every return less every value. The critic learns the mean return
of the rollout, whatever the state, and the actor's baseline is the mean value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from prefrontal.agents.a2c.config import CourseReplayConfig
from prefrontal.agents.base import Job, RecurrentLearner, require_learnable
from prefrontal.agents.common.optim import check_finite
from prefrontal.agents.common.returns import by_member, count_steps, monte_carlo
from prefrontal.agents.rollout.environments import make_stages
from prefrontal.agents.rollout.rollout import Rollout


def make_learner(job: Job, members: Sequence[int]) -> CourseReplay:
    """Make a learner for some members of a job."""
    envs = make_stages(job.environment, members, job.num_envs, device=job.device)
    config = cast(CourseReplayConfig, job.algorithm)
    shape = (members, job.num_envs, job.total_steps, job.seed, job.device)
    return CourseReplay(envs, job.network, config, *shape)


def check(job: Job) -> str:
    """Check that a job can be trained; there is nothing to say of it.

    Raises:
        ConfigError: The environment has continuous actions.
    """
    require_learnable(job)
    return ""


def published_loss(
    logits: Tensor, values: Tensor, actions: Tensor, returns: Tensor, config: CourseReplayConfig
) -> Tensor:
    """Return the course's loss of each member, ``[P]``.

    It is mean(-log π_j A_ij) + value_coef mean(A_ij²) - entropy_coef mean H, where
    ``A_ij = G_j - v_i`` for every pair of steps of the rollout (see the module). Both means are
    written without the matrix.

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


class CourseReplay(RecurrentLearner):
    """P members of the course's agent: they write to the buffer in stage 0 and read it later.

    Args:
        envs: Vector environment of ``len(members) * batch`` rows, or one for each stage.
        network: Shape of the actor-critic.
        config: Settings.
        members: Identities of the members.
        batch: Episodes per member and update (one in the course).
        total_steps: Environment steps per member of the whole run.
        seed: Seed of the run.
        device: Where to compute.
    """

    def __init__(
        self,
        envs: Any,
        network: Any,
        config: CourseReplayConfig,
        members: Sequence[int],
        batch: int,
        total_steps: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (members, batch, total_steps, seed, device)
        super().__init__(envs, network, "rmsprop", config.epsilon, *shape)
        self.config = config
        self._rollout = Rollout(self.stages.now, self.model, batch, self.generators)
        size = self.model.parameters.shape
        self.buffer = torch.zeros(size[0], config.capacity, size[1])
        self.written = self.read = 0

    def move(self, stage: int) -> None:
        """Make a stage the present one, with fresh moments of the optimiser."""
        super().move(stage)
        self._rollout = Rollout(self.stages.now, self.model, self.batch, self.generators)
        self.optimiser.reset()

    def update(self) -> dict[str, Tensor]:
        """Play and learn from it; keep the gradient (stage 0), or apply one that was kept."""
        if (stage := self.stages.at(self.steps)) != self.stage:
            self.move(stage)
        # COLLECT
        trajectory = self._rollout.collect()
        returns = monte_carlo(trajectory.rewards, self.config.discount)
        # UPDATE
        parameters = self.model.parameters.requires_grad_()
        logits, values = self.model.heads(trajectory.tapes, parameters)
        flat = logits.permute(1, 2, 0, 3).flatten(2)  # [P, K, T * B]
        values, actions, returns = (by_member(x) for x in (values, trajectory.actions, returns))
        loss = published_loss(flat, values, actions, returns, self.config)
        (gradient,) = torch.autograd.grad(loss.sum(), parameters)
        self._apply(gradient)
        # REPLAY
        capacity = self.config.capacity
        if self.stage == 0 and capacity:
            self.buffer[:, self.written % capacity] = gradient.cpu()
            self.written += 1
        elif self.written:
            slot = self.read % min(capacity, self.written)
            self._apply(self.buffer[:, slot].to(gradient))
            self.read += 1
        self.steps += count_steps(None, trajectory.actions)
        log_probs = flat.detach().log_softmax(1)
        metrics = {
            "return": trajectory.rewards.double().sum((0, 2)) / self.batch,
            "entropy": -(log_probs.exp() * log_probs).sum(1).mean(1),
            "loss": loss.detach(),
            "gradient_norm": torch.linalg.vector_norm(gradient, dim=1),
            "stage": torch.full((len(self.members),), float(self.stage)),
        }
        return {name: value.cpu().to(torch.float64) for name, value in metrics.items()}

    def _apply(self, gradient: Tensor) -> None:
        """Take one step of the optimiser."""
        check_finite(torch.linalg.vector_norm(gradient, dim=1), self.members, self.steps)
        flat = self.model.parameters
        self.optimiser.step(flat, gradient, self.config.learning_rate)
        self.model.set_parameters(flat)

    def state(self) -> dict[str, Tensor]:
        """Return all that training needs to go on exactly; first dimension: the member."""
        count = torch.tensor([[self.written, self.read, self.stage]])
        kept = {"buffer": self.buffer, "buffer.count": count.repeat(len(self.members), 1)}
        return super().state() | kept

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        super().set_state({"stage": state["buffer.count"][:, 2], **state})
        self.buffer.copy_(state["buffer"])
        self.written, self.read, _ = (int(n) for n in state["buffer.count"][0])
