"""Environments of other packages by their names, each where its package is installed."""

import importlib
import importlib.util

import gymnasium
import numpy as np
import pytest

from prefrontal import command
from prefrontal.agents import EnvironmentSpec, MetaInputs
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.command import guarded

QUICK = ["--total-steps", "60", "--num-envs", "2", "--hidden-size", "4", "--no-progress"]


def needs(package):
    found = importlib.util.find_spec(package)
    return pytest.mark.skipif(found is None, reason=f"needs {package}")


PARTNERS = [
    pytest.param("popgym", "popgym-RepeatPreviousEasy-v0", 52, marks=needs("popgym")),
    pytest.param("minigrid", "MiniGrid-MemoryS7-v0", 245, marks=needs("minigrid")),
    pytest.param("neurogym", "PerceptualDecisionMaking-v0", 1000, marks=needs("neurogym")),
]


@pytest.mark.filterwarnings("ignore")  # of theirs
@pytest.mark.parametrize(("package", "env_id", "longest"), PARTNERS)
def test_train_by_name(package, env_id, longest, tmp_path, capsys):
    words = [f"{package}:{env_id}", *QUICK, "--out", str(tmp_path / "run")]
    limit = ["--env-kwargs", "max_episode_steps=20"]
    assert guarded(command.train, [*words, *limit]) == 0, capsys.readouterr().err
    notes = capsys.readouterr().out
    assert ("agents are not shown mission (MissionSpace)" in notes) == (package == "minigrid")
    envs = make_envs(EnvironmentSpec(env_id, ()), [0], 1)
    assert envs.steps == longest
    note = "has no time limit: episodes are cut after 1,000 steps"
    assert any(note in one for one in envs.notes) == (package == "neurogym")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("package", "env_id", "longest"), PARTNERS)
def test_a_seed_determines_an_episode(package, env_id, longest):
    importlib.import_module(package)
    env = MetaInputs(gymnasium.make(env_id, disable_env_checker=True), ("reward",))

    def played(seed):
        seen, over = [env.reset(seed=seed)[0]], False
        while not over and len(seen) < 60:
            one, _, ended, cut, _ = env.step(len(seen) % 3)
            seen.append(one)
            over = ended or cut
        return np.array(seen)

    np.testing.assert_array_equal(played(3), played(3))
    assert any(not np.array_equal(played(3), played(seed)) for seed in range(4, 9))


@needs("popgym")
def test_the_longest_episodes_of_popgym_are_whole():
    import popgym

    for made in popgym.envs.ALL:
        env = MetaInputs(made()) if made.__name__.endswith("Easy") else None
        if env is None:
            continue
        env.reset(seed=0)
        ended = cut = False
        while not (ended or cut):
            *_, ended, cut, _ = env.step(env.action_space.sample())
        assert env._t <= env.steps


@needs("neurogym")
@pytest.mark.filterwarnings("ignore")
def test_trials_of_neurogym():
    importlib.import_module("neurogym")
    envs = make_envs(EnvironmentSpec("GoNogo-v0", ("trial_start",)), [0], 2)
    seen, _ = envs.reset(seed=0)
    starts, trials = [seen[0, -1]], []
    for _ in range(60):
        seen, *_, info = envs.step(envs.num_actions * seen[:, 0].long() * 0)
        starts.append(seen[0, -1])
        trials.append(info["trial"][0])
    assert [int(one) for one in trials] == [int(n) for n in np.cumsum(starts)[1:] - 1]
    assert trials[-1] >= 3
