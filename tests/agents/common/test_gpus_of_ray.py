"""Workers of a Ray cluster that compute on GPUs: no more than there are, each with its own."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from prefrontal.agents import A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.common import pool
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.training import shards
from prefrontal.agents.training.loop import Job
from tests.agents.helpers import BANDIT


class Ray:
    """A cluster of eight processors, which keeps what is asked of it."""

    def __init__(self, gpus: int) -> None:
        self.there = {"CPU": 8.0} | ({"GPU": float(gpus)} if gpus else {})
        self.asked: list[dict] = []

    def cluster_resources(self):
        return self.there

    def put(self, value):
        return value

    def kill(self, actor):
        pass

    def remote(self, **asked):
        self.asked.append(asked)
        return lambda work: SimpleNamespace(remote=lambda *_: work)


def test_there_is_a_worker_a_gpu():
    assert pool.processors(Ray(2)) == 8
    assert pool.processors(Ray(2), "cuda") == 2
    assert pool.processors(Ray(16), "cuda:0") == 8
    with pytest.raises(ConfigError, match="no GPU"):
        pool.processors(Ray(0), "cuda")


def test_work_of_a_pool_has_a_gpu_to_itself(monkeypatch):
    for device, gpus in (("cpu", 0), ("cuda", 1)):
        ray = Ray(2)
        monkeypatch.setattr(pool, "join_cluster", lambda *_, ray=ray: (ray, False))
        made = pool.make_pool(abs, 4, "auto", device)
        made._begin(1)
        assert [one["num_gpus"] for one in ray.asked] == [gpus]
        assert made.workers == (2 if gpus else 8)


def test_blocks_of_members_are_no_more_than_gpus(monkeypatch):
    job = Job(
        environment=EnvironmentSpec(BANDIT),
        network=NetworkConfig(),
        algorithm=A2CConfig(),
        members=6,
        num_envs=1,
        total_steps=100,
        seed=0,
    )
    for device, blocks in (("cpu", 4), ("cuda", 2)):
        ray = Ray(2)
        monkeypatch.setattr(shards, "join_cluster", lambda *_, ray=ray: (ray, False))
        with shards.shards_of(replace(job, device=device, ray_address="auto"), 4) as made:
            assert len(made) == blocks
            assert sorted(m for one in made for m in one.members) == list(range(6))
        assert {one["num_gpus"] for one in ray.asked} == {int(device == "cuda")}
