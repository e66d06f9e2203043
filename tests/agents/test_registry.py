"""The table of algorithms: complete, lazy, one protocol; nothing is built twice."""

import importlib
import inspect
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

import prefrontal.agents.networks.actor_critic as actor_critic
import prefrontal.agents.rollout.environments as environments
from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig, load, registry
from prefrontal.agents.a2c.config import CourseReplayConfig, CriticConfig, ReplayConfig
from prefrontal.agents.a2c.learner import A2C
from prefrontal.agents.base import Job, Trained
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.r2d2.config import R2D2Config
from prefrontal.agents.r2d2.learner import QLearner
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.agents.training.loop import train

BANDIT = EnvironmentSpec("prefrontal/TwoArmedBandit-v0", kwargs={"trials": 4})
STAGED = replace(BANDIT, stages=({"trials": 4}, {"trials": 3}))


def job(algorithm=None, **changes):
    network = NetworkConfig(hidden_size=5)
    return replace(Job(BANDIT, network, algorithm or A2CConfig(), 1, 4, 64, 0), **changes)


@pytest.mark.parametrize("kind", registry.ALGORITHMS)
def test_every_part_of_an_algorithm_is_there(kind):
    entry = registry.ALGORITHMS[kind]
    get = registry._get
    assert get(*entry.config.split(":")).kind == kind
    assert isinstance(get(*entry.network.split(":")).kind, str)
    for module, names in (
        (entry.learner, ("make_learner", "check")),
        (entry.population, ("make_population", "meta")),
        (entry.updates, ("updates",)),
    ):
        for name in names:
            assert callable(get(module, name))


@pytest.mark.parametrize("kind", registry.TRAINED)
def test_all_trained_agents_have_one_protocol(kind):
    trained = registry._get(*registry.TRAINED[kind].split(":"))
    for name in ("record", "meta", "save", "__len__", "from_checkpoint"):
        assert callable(getattr(trained, name))
    told = inspect.signature(Trained.record).parameters
    own = inspect.signature(trained.record).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in own.values()):
        assert list(own) == list(told)
        assert [p.default for p in own.values()] == [p.default for p in told.values()]
    assert isinstance(trained.discrete, bool | property)


def test_settings_and_the_registry_are_imported_without_torch():
    modules = [
        "prefrontal.agents",
        "prefrontal.agents.registry",
        "prefrontal.agents.a2c.config",
        "prefrontal.agents.r2d2.config",
        "prefrontal.checking",
        "prefrontal.agents.common.errors",
        "prefrontal.agents.common.plain",
        "prefrontal.agents.networks.config",
    ]
    heavy = "[m for m in ('torch', 'gymnasium') if m in sys.modules]"
    code = f"import sys, {', '.join(modules)}; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_names_of_the_package_are_found_late():
    package = importlib.import_module("prefrontal.agents")
    assert package.A2C is A2C
    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


# CHECKS


PREDICTING = NetworkConfig(layout="separate", actor_reward="rpe")


def elsewhere(env_id, algorithm=None):
    return job(algorithm, environment=EnvironmentSpec(env_id, ("action",)))


def replaying(**options):
    return job(A2CConfig(replay=ReplayConfig("uniform", **options)))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (replaying(from_stage=1), "replay_from_stage must be at most 0"),
        (replaying(capacity=10**13), "memory|GB|GiB"),
        (job(A2CConfig(discount=0.5), network=PREDICTING), "needs a constant discount"),
        (job(R2D2Config(), network=PREDICTING), "cannot be combined"),
        (elsewhere("CartPole-v1", A2CConfig(critic=CriticConfig("privileged"))), "show its task"),
        (elsewhere("prefrontal/Nothing-v0"), "there is no environment"),
        (elsewhere("Pendulum-v1", R2D2Config()), "Discrete"),
    ],
)
def test_what_cannot_be_trained_is_said(made, message, monkeypatch):
    monkeypatch.setattr(A2C, "__init__", None)
    monkeypatch.setattr(QLearner, "__init__", None)
    with pytest.raises(ConfigError, match=message):
        registry.check(made)


def test_a_network_of_another_kind_is_refused():
    from prefrontal.agents.evolution.config import NoNetworkConfig

    with pytest.raises(ConfigError, match="needs a network of the kind recurrent, not none"):
        registry.check(job(network=NoNetworkConfig()))


@pytest.mark.parametrize(
    ("algorithm", "said"),
    [
        (A2CConfig(), ""),
        (CourseReplayConfig(), ""),
        (A2CConfig(replay=ReplayConfig("reservoir", 20)), "a member keeps reservoir replay of 1 x"),
        (R2D2Config(), "a member keeps prioritised replay of 1 x 2,000"),
        (R2D2Config(sequence=2), "a member keeps prioritised replay of 1 x 2,000"),
    ],
)
def test_the_memory_of_replay_is_that_of_the_learner(algorithm, said):
    told = registry.check(job(algorithm))
    assert told.startswith(said)
    learner = registry.make_learner(job(algorithm), [0])
    replay = getattr(learner, "replay", None)
    assert told == (f"a member keeps {replay.buffer}" if replay is not None else "")


# NOTHING IS BUILT TO BE ASKED


@pytest.mark.parametrize(
    ("algorithm", "learner", "networks"), [(A2CConfig(), A2C, 1), (R2D2Config(), QLearner, 2)]
)
@pytest.mark.parametrize("spec", [BANDIT, STAGED])
def test_a_run_builds_each_thing_once(tmp_path, monkeypatch, spec, algorithm, learner, networks):
    """One probe and one training environment a stage, one learner and its networks."""
    built = {"environments": 0, "networks": 0, "learners": 0}

    def counted(owner, name, what):
        real = getattr(owner, name)

        def wrapper(*args, **kwargs):
            built[what] += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, wrapper)

    counted(environments, "make_envs", "environments")
    counted(actor_critic.ActorCritic, "__init__", "networks")
    counted(learner, "__init__", "learners")
    monkeypatch.setattr("prefrontal.agents.training.loop.CHECKPOINT_SECONDS", 0.0)
    one = job(algorithm, environment=spec)
    registry.check(one)
    with RunFolder.create(tmp_path / "run", {}) as run:
        train(one, run)
    stages = max(1, len(spec.stages))
    assert built == {"environments": 2 * stages, "networks": networks, "learners": 1}


@pytest.mark.parametrize("algorithm", [A2CConfig(), R2D2Config()])
def test_the_description_of_a_job_is_that_of_its_agents(algorithm):
    one = job(algorithm, members=2)
    learner = registry.make_learner(one, [0, 1])
    agents = registry.make_population(one, learner.state()["weights"])
    assert registry.meta(one) == agents.meta()


# Q-AGENTS OF EARLY VERSIONS


@pytest.mark.parametrize("condition", ["default", "replay"])
def test_q_agents_of_early_versions_are_known_by_the_configuration_of_their_run(
    tmp_path, condition
):
    one = job(R2D2Config())
    agents = registry.make_population(one, registry.make_learner(one, [0]).state()["weights"])
    folder = tmp_path if condition == "default" else tmp_path / condition
    agents.save(folder)
    assert type(load(folder)) is type(agents)
    text = (folder / "checkpoint" / "checkpoint.json").read_text()
    (folder / "checkpoint" / "checkpoint.json").write_text(
        text.replace("recurrent-q", "recurrent-a2c")
    )
    assert load(folder).meta()["kind"] == "recurrent-a2c"
    (tmp_path / "config.toml").write_text(f'[conditions.{condition}.algorithm]\nkind = "q"\n')
    again = load(folder)
    assert type(again) is type(agents)
    assert torch.equal(again.model.parameters, agents.model.parameters)
