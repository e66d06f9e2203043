"""Pools: the same results in the same order, whoever dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from prefrontal.agents.common.errors import ConfigError, PrefrontalError, TrainingError
from prefrontal.agents.common.pool import DEATHS, Processes, Serial, check_ray, make_pool

try:
    import ray
    from ray.cluster_utils import Cluster
except ImportError:
    ray = None


def square(x: int) -> int:
    return x * x


def fail(x: int) -> int:
    raise PrefrontalError(f"cannot do {x}")


def die_once(folder: Path, x: int) -> int:
    """Kills its own process the first time that it is asked for 3."""
    mark = folder / "died"
    if x == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def die(x: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return x


@pytest.fixture
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["prefrontal.agents.common.pool"])
    pools = []

    def make(function):
        pools.append(Processes(function, 2, context))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def test_results_come_in_order(processes):
    assert Serial(square).map(range(7)) == [x * x for x in range(7)]
    pool = processes(square)
    for _ in range(2):
        assert pool.map(range(7)) == [x * x for x in range(7)]
    assert pool.map([]) == []


@pytest.mark.parametrize("make", [Serial, None])
def test_work_is_taken_as_workers_become_free(processes, make):
    taken, done = [], []

    def items():
        for x in range(6):
            assert x - len(done) < 2  # there are two workers at most
            taken.append(x)
            yield x

    pool = (make or processes)(square)
    for index, value in pool.stream(items()):
        assert value == index**2
        done.append(index)
    assert sorted(done) == taken == list(range(6))


def test_errors_of_the_work_arrive(processes):
    with pytest.raises(PrefrontalError, match="cannot do 0"):
        processes(fail).map([0])


def test_killed_workers_are_replaced_and_their_work_done_again(processes, tmp_path):
    pool = processes(partial(die_once, tmp_path))
    before = multiprocessing.active_children()
    os.kill(before[0].pid, signal.SIGKILL)  # while it waits for work
    assert pool.map(range(8)) == [x * x for x in range(8)]
    assert (tmp_path / "died").exists()
    assert before[0] not in multiprocessing.active_children()
    assert pool.map([5]) == [25]


class Counted:
    """Squares, and counts how often it was sent to another process."""

    def __init__(self, folder):
        self.folder = folder

    def __setstate__(self, state):
        self.__dict__.update(state)
        (self.folder / str(len(list(self.folder.iterdir())))).touch()

    def __call__(self, x):
        return x * x


def test_workers_are_given_the_function_once(processes, tmp_path):
    pool = processes(Counted(tmp_path))
    assert pool.map(range(9)) == [x * x for x in range(9)]
    assert pool.map(range(9)) == [x * x for x in range(9)]
    assert len(list(tmp_path.iterdir())) <= 2  # there are two workers


def test_work_that_kills_whoever_does_it_is_given_up(processes):
    with pytest.raises(TrainingError, match=rf"{DEATHS} worker processes died .*--resume"):
        processes(die).map([1])


def test_the_pool_follows_the_options():
    assert isinstance(make_pool(square), Serial)
    pool = make_pool(square, 2)
    assert isinstance(pool, Processes)
    pool.close()


def test_ray_that_is_not_installed_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r'--ray-address needs Ray: pip install "\.\[ray\]"'):
        make_pool(square, 2, "local")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_a_cluster_that_is_not_there_is_said_at_once(address, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: True)
    with pytest.raises(ConfigError, match=f"there is no Ray cluster at '{address}'.*ray start"):
        check_ray(address)


@pytest.mark.ray
@pytest.mark.skipif(ray is None, reason="Ray is not installed")
def test_a_cluster_of_two_nodes_survives_killed_workers(tmp_path):
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    pool = make_pool(partial(die_once, tmp_path), 2, cluster.address)
    try:
        assert pool.workers == 2
        assert pool.map(range(6)) == [x * x for x in range(6)]
        assert (tmp_path / "died").exists()
        assert sorted(pool.stream(range(4))) == [(x, x * x) for x in range(4)]
        with pytest.raises(PrefrontalError, match=r"^cannot do 0$"):
            make_pool(fail, 2, cluster.address).map([0])
    finally:
        pool.close()
        cluster.shutdown()


def test_new_processes_leave_a_notebook_without_a_file(monkeypatch):
    import __main__

    monkeypatch.delattr(__main__, "__file__", raising=False)
    pool = make_pool(square, 2)
    assert pool.map([1, 2]) == [1, 4]
    pool.close()
    assert not hasattr(__main__, "__file__")  # Ray tells a notebook by that
