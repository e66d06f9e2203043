"""Decision pretraining: random episodes → the best action of the task at every step → one step.

Lee et al. (2023): the network is shown episodes of random behaviour policies, and learns by
cross-entropy to name the best action of the task after every step. The label depends on the task
alone and the behaviour on the history alone, so that what is learned is the posterior
``P(a* | history)``, whatever the behaviour: it decides only how often histories are seen. An agent
that samples its actions from a perfect fit is Thompson sampling.

The agents are actor-critics whose value head is never trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from prefrontal.agents.base import Job, RecurrentLearner, require_learnable
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.optim import anneal, check_finite, clip_by_norm
from prefrontal.agents.common.returns import count_steps, mean, step_weights
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.parts import require_flat
from prefrontal.agents.rollout.environments import make_envs, make_stages
from prefrontal.agents.rollout.rollout import Rollout
from prefrontal.agents.supervised.config import DecisionPretrainedConfig

LABEL = "optimal_action"


def make_learner(job: Job, members: Sequence[int]) -> DecisionPretrained:
    """Make a learner for some members of a job."""
    envs = make_stages(job.environment, members, job.num_envs, facts=True, device=job.device)
    config = cast(DecisionPretrainedConfig, job.algorithm)
    shape = (members, job.num_envs, job.total_steps, job.seed, job.device)
    return DecisionPretrained(envs, job.network, config, *shape)


def check(job: Job) -> str:
    """Check that a job can be trained; there is nothing to say of it.

    Raises:
        ConfigError: Settings do not fit each other, or the environment does not say what is best.
    """
    require_learnable(job)
    require_flat("decision-pretrained", job.facts.parts, job.network)
    if job.network.actor_reward == "rpe":
        raise ConfigError('decision-pretrained cannot be combined with actor_reward "rpe"')
    envs = make_envs(job.environment, [0], 1, facts=True)
    envs.reset(seed=0)
    told = envs.step(torch.zeros(1, dtype=torch.int64))[-1]
    envs.close()
    if LABEL not in told:
        raise ConfigError(
            f"decision-pretrained needs an environment whose info says {LABEL!r} of every step, "
            f"and {job.environment.id} does not"
        )
    return ""


def behaviour(spread: float, batch: int, actions: int, generator: torch.Generator) -> Tensor:
    """Draw logits of behaviour policies, ``[K, B]``: τ log E, τ uniform, E exponential.

    Args:
        spread: Largest τ.
        batch: Policies B.
        actions: Actions K.
        generator: Of the random numbers.
    """
    tau = spread * torch.rand(batch, generator=generator)
    uniform = torch.rand(actions, batch, generator=generator).clamp_(1e-20, 1 - 1e-7)
    return tau * (-uniform.log()).log()


class _Unasked:
    """A model that is not asked what to do: actions are drawn without it."""

    def __init__(self, model: ActorCritic) -> None:
        self.model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    plays_tables = False

    def step(self, tapes: Any, t: int, added: Tensor | None) -> None:
        """Compute nothing."""

    def act(self, tapes: Any, t: int, noise: Tensor, actions: Tensor) -> None:
        """Write the argmax of logits plus noise ``[P, K, B]`` to `actions` ``[P, B]``."""
        torch.argmax(noise, 1, out=actions)


class RandomRollout(Rollout):
    """Episodes of random policies, one an episode; the networks are not asked.

    Args:
        spread: See `behaviour`.
        envs: See `Rollout`, as the others.
        model: Likewise; its tapes get the inputs alone.
        batch: Likewise.
        generators: Likewise.
    """

    def __init__(
        self,
        spread: float,
        envs: Any,
        model: ActorCritic,
        batch: int,
        generators: list[torch.Generator],
    ) -> None:
        super().__init__(envs, cast(ActorCritic, _Unasked(model)), batch, generators, facts=True)
        self.spread = spread

    def draw_noise(self) -> Tensor:
        """Return logits of the policies plus Gumbel noise, ``[P, T, K, B]``."""
        noise = super().draw_noise()
        shape = self.spread, self.batch, self.model.num_actions
        return noise + torch.stack([behaviour(*shape, g) for g in self.generators]).unsqueeze(1).to(
            noise
        )


class DecisionPretrained(RecurrentLearner):
    """P members learning side by side.

    Args:
        envs: Vector environment of ``len(members) * batch`` rows that says the best action, or one
            for each stage.
        network: Shape of the networks.
        config: Settings.
        members: Identities of the members; (seed, identity) determines what a member learns.
        batch: Episodes B per member and update.
        total_steps: Environment steps per member of the whole run, for annealing and stages.
        seed: Seed of the run.
        device: Where to compute.
    """

    def __init__(
        self,
        envs: Any,
        network: NetworkConfig,
        config: DecisionPretrainedConfig,
        members: Sequence[int],
        batch: int,
        total_steps: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (members, batch, total_steps, seed, device)
        super().__init__(envs, network, "adam", config.epsilon, *shape)
        self.config = config
        self.rollout = self._rollout()

    def update(self) -> dict[str, Tensor]:
        """Watch one episode in every environment and learn from it; return metrics ``[P]``.

        The metric `return` is that of the behaviour policies.
        """
        config, model = self.config, self.model
        while self.stage < self.stages.at(self.steps):
            self.move(self.stage + 1)
        progress = self.stages.progress(self.steps, "run").to(model.dtype)
        rate = anneal(config.learning_rate, config.learning_rate_final, progress)

        trajectory = self.rollout.collect()
        if not all(net.unrolls for net in model.nets):
            model.unroll(trajectory.tapes)
        parameters = model.parameters.requires_grad_()
        logits, _ = model.heads(trajectory.tapes, parameters)
        labels = trajectory.facts[LABEL].long()
        law = model.policy.law(logits[: trajectory.steps])
        named = model.policy.log_prob(law, labels)
        weight = step_weights(trajectory.mask, named)
        loss = -mean(named, weight)
        (gradient,) = torch.autograd.grad(loss.sum(), parameters)
        with torch.no_grad():
            norm = clip_by_norm(gradient, config.clip_norm)
            check_finite(norm, self.members, self.steps)
            flat = parameters.detach()
            self.optimiser.step(flat, gradient, rate.unsqueeze(1).to(model.device))
            model.set_parameters(flat)
            right = (law.argmax(2) == labels).to(model.dtype)

        self.steps += count_steps(trajectory.mask, trajectory.actions)
        metrics = {
            "return": trajectory.rewards.double().sum((0, 2)) / self.batch,
            "loss": loss,
            "accuracy": mean(right, weight),
            "gradient_norm": norm,
            "learning_rate": rate,
        }
        return {name: value.detach().cpu().to(torch.float64) for name, value in metrics.items()}

    def _rollout(self) -> Rollout:
        play = self.stages.now, self.model, self.batch, self.generators
        return RandomRollout(self.config.spread, *play)

    def move(self, stage: int) -> None:
        """Make a stage the present one."""
        super().move(stage)
        self.rollout = self._rollout()
