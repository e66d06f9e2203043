"""Whether settings of the recurrent A2C fit each other and the environment."""

from __future__ import annotations

from typing import cast

from prefrontal.agents.a2c.config import A2CConfig
from prefrontal.agents.a2c.heads import baseline_head, check_heads
from prefrontal.agents.a2c.off_policy import episode_buffer
from prefrontal.agents.base import Job, require_learnable
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.parts import Division
from prefrontal.agents.rollout.spec import EnvironmentFacts
from prefrontal.agents.rules.config import DISTURBING, SEARCHING, RuleConfig
from prefrontal.agents.rules.rule import check_rule


def check(job: Job) -> str:
    """Check that a job can be trained, without building a learner.

    Returns:
        What there is to say of its memory; empty if nothing.

    Raises:
        ConfigError: Settings do not fit each other or the environment, or there is not that much
            memory.
    """
    config = cast(A2CConfig, job.algorithm)
    privileged = config.critic.baseline == "privileged"  # keeps its units and what it is given
    kept = config.critic.units + job.network.hidden_size if privileged else 0
    require_learnable(job, discrete=False, more=kept)
    check_settings(job.network, config, job.facts, job.num_envs)
    check_heads(job.network.heads, job.environment, job.network.hidden_size)
    if config.replay.keep == "none":
        return ""
    needs = job.facts, [generator(job.seed, 0, "replay")], job.network
    return f"a member keeps {episode_buffer(config.replay, *needs)}"


def check_settings(
    network: NetworkConfig, config: A2CConfig, facts: EnvironmentFacts, batch: int
) -> None:
    """Check that settings fit each other and the environment.

    Raises:
        ConfigError: They do not.
    """
    last = len(facts.steps) - 1
    _check_encoder(network, config, facts)
    check_rule(config.rule, network, batch)
    if config.critic.baseline == "heads":
        baseline_head(network)
    if config.rule.name in SEARCHING and network.heads:
        raise ConfigError(
            f"the rule {config.rule.name} learns from what episodes pay alone: no head can learn"
        )
    if config.critic.baseline == "privileged" and not facts.privileged_size:
        raise ConfigError('critic="privileged" needs an environment that can show its task')
    if config.replay.keep != "none" and config.replay.from_stage > last:
        raise ConfigError(
            f"replay_from_stage must be at most {last}, the last stage of the environment (the "
            f"first is 0), not {config.replay.from_stage}"
        )
    if config.segment is not None:
        _check_segment(network, config, facts)
    if network.actor_reward != "rpe":
        return
    if config.replay.keep != "none":
        raise ConfigError('replay cannot be combined with actor_reward "rpe"')
    if config.passes != 1:
        raise ConfigError('actor_reward "rpe" needs passes = 1: later passes change the critic')
    if config.discount_final is not None or config.discount != network.rpe_discount:
        raise ConfigError(
            'actor_reward "rpe" needs a constant discount equal to rpe_discount, '
            f"{network.rpe_discount}"
        )


def _check_segment(network: NetworkConfig, config: A2CConfig, facts: EnvironmentFacts) -> None:
    """Check that nothing needs whole episodes."""
    needs = {
        "a task whose episodes have a fixed length": not facts.variable_length,
        "replay": config.replay.keep != "none",
        "elastic weight consolidation": config.ewc.coef > 0,
        f"the rule {config.rule.name}": config.rule != RuleConfig(),
        "another head than policy and value": bool(network.heads),
        'actor_reward "rpe"': network.actor_reward == "rpe",
    }
    for name, there in needs.items():
        if there:
            raise ConfigError(f"{name} needs whole episodes: leave --segment out")


def _check_encoder(network: NetworkConfig, config: A2CConfig, facts: EnvironmentFacts) -> None:
    """Check that observations can be encoded as they are to be."""
    division, rule = Division(facts.input_size, facts.parts, network), config.rule.name
    if network.encoder == "cnn" and not division.images:
        raise ConfigError("--encoder cnn needs an environment with images: leave it at auto")
    if network.normalise_observations and not division.numbers:
        raise ConfigError(
            "--normalise-observations needs observations with numbers: images, bytes and one-hot "
            "codes stay as they are, and tasks of ours are on a common scale; leave it out"
        )
    if rule in DISTURBING and division.images:
        raise ConfigError(
            f"the rule {rule} has no encoder of images: take another --rule, or --encoder flat"
        )
    if rule in (*DISTURBING, *SEARCHING) and division.numbers:
        raise ConfigError(
            f"the rule {rule} does not normalise observations: take another --rule, or leave "
            "--normalise-observations out"
        )
    if division.images and any(head.target == "observation" for head in network.heads):
        raise ConfigError(
            "a head cannot learn to tell images: give it the target encoding, or another one"
        )
