"""Environments in processes: the same as in one, and clear words when one dies."""

import multiprocessing
import os
import signal

import gymnasium
import numpy as np
import pytest
import torch

from prefrontal.agents.common.errors import ConfigError, TrainingError
from prefrontal.agents.rollout.episodes import EpisodeVectorEnv
from prefrontal.agents.rollout.workers import Workers
from tests.agents.helpers import register_countdown
from tests.agents.rollout.test_vectors import Legal

INPUTS = ("action", "reward", "time")


def played(env_id, workers=None, batch=3, **kwargs):
    """What two members see and are paid in two batches of episodes."""
    more = {} if workers is None else {"env_workers": workers}
    envs = EpisodeVectorEnv(env_id, [0, 3], batch, INPUTS, **more, **kwargs)
    random, found = torch.Generator().manual_seed(1), []
    for seed in (5, None):
        seen, info = envs.reset(seed=seed)
        found += [seen, *info.values()]
        for _ in range(7):
            *arrays, info = envs.step(torch.randint(3, (2 * batch,), generator=random))
            found += [*arrays, *info.values()]
    count = envs.rows.envs.num_envs if workers else 0
    envs.close()
    return found, count


def legal() -> str:
    if "tests/Legal-v0" not in gymnasium.registry:
        gymnasium.register("tests/Legal-v0", entry_point=Legal, max_episode_steps=9)
    return "tests/Legal-v0"


@pytest.mark.parametrize(("workers", "count"), [(1, 1), (2, 2), (5, 3), (99, 6)])
@pytest.mark.parametrize("kwargs", [{}, {"meta_episodes": 2}])
def test_the_same_whatever_the_number_of_processes(workers, count, kwargs):
    here, _ = played(legal(), **kwargs)
    there, used = played(legal(), workers, **kwargs)
    assert used == count
    assert len(here) == len(there)
    for one, other in zip(here, there, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


class Raises(Legal):
    def step(self, action):
        raise ZeroDivisionError("in a process")


def test_an_environment_that_raises_is_blamed_in_one_line(capfd):
    if "tests/RaisesFar-v0" not in gymnasium.registry:
        gymnasium.register("tests/RaisesFar-v0", entry_point=Raises, max_episode_steps=9)
    envs = EpisodeVectorEnv("tests/RaisesFar-v0", [0], 2, env_workers=2)
    envs.reset(seed=0)
    message = (
        "^environment tests/RaisesFar-v0, step 1 .*step raised ZeroDivisionError: in a process"
    )
    with pytest.raises(TrainingError, match=message) as caught:
        envs.step(torch.zeros(2, dtype=torch.int64))
    assert "\n" not in str(caught.value)
    envs.close()
    assert "Traceback" not in capfd.readouterr().err


def test_a_process_that_is_killed_ends_all_with_one_line():
    envs = EpisodeVectorEnv(register_countdown(), [0], 4, env_workers=2)
    envs.reset(seed=0)
    processes = envs.rows.envs.processes
    os.kill(processes[1].pid, signal.SIGKILL)
    processes[1].join()
    with pytest.raises(
        TrainingError, match=r"of --env-workers has died \(exit code -9\)"
    ) as caught:
        envs.step(torch.zeros(4, dtype=torch.int64))
    assert "\n" not in str(caught.value)
    envs.close()
    assert not any(one.is_alive() for one in processes)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
def test_numbers_of_processes_that_are_none(workers):
    with pytest.raises(ConfigError, match="env_workers must be a whole number of at least 1, not"):
        EpisodeVectorEnv(register_countdown(), [0], 2, env_workers=workers)


def _inner(pipe) -> None:
    try:
        EpisodeVectorEnv(register_countdown(), [0], 2, env_workers=2)
    except ConfigError as error:
        pipe.send(str(error))


def test_processes_of_members_start_no_others():
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_inner, args=(theirs,), daemon=True)
    process.start()
    assert "leave out --workers" in ours.recv()
    process.join()


def test_rows_go_on_that_have_no_seed():
    """Seeds say which rows start anew, in a process as here."""
    envs = EpisodeVectorEnv(register_countdown(longest=50), [0], 4, env_workers=2)
    assert isinstance(envs.rows, Workers)
    seen, _ = envs.rows.reset([7, 8, 9, 10])
    envs.rows.step(np.zeros(4, np.int64))
    again, _ = envs.rows.reset([None, 8, None, 10])
    assert (again[:, 0] - seen[:, 0]).tolist() == [-1, 0, -1, 0]
    envs.close()
