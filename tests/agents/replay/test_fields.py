"""What a replay buffer takes: exact sizes, said and refused before anything is allocated."""

import gc

import pytest
import torch

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.replay import buffer as replay_rows
from prefrontal.agents.replay import fields as replay_fields
from prefrontal.agents.replay.fields import available_bytes, in_words
from prefrontal.agents.replay.transitions import (
    Field,
    TrajectoryBuffer,
    TransitionBuffer,
    capacity_within,
    required_bytes,
)

FIELDS = [
    Field("observation", (3, 4), torch.uint8),
    Field("state", (5,), torch.float16, every=4),
    Field("reward"),
    Field("task", (2,), torch.float64, every=0),
]


def generators(members: int) -> list[torch.Generator]:
    return [generator(0, member, "replay") for member in range(members)]


def allocated(buffer: TransitionBuffer | TrajectoryBuffer) -> int:
    found = sum(value.nbytes for value in buffer._store.data.values())
    if buffer._priorities is not None:
        found += sum(level.nbytes for level in buffer._priorities.tree.levels)
        found += buffer._priorities.largest.nbytes
    return found


@pytest.mark.parametrize("kind", ["uniform", "prioritised", "reservoir"])
@pytest.mark.parametrize("capacity", [1, 32, 33, 1025])
def test_bytes_are_exact(kind, capacity):
    steps = TransitionBuffer(3, capacity, FIELDS, generators(3), kind)
    assert steps.nbytes == required_bytes(3, capacity, FIELDS, kind) == allocated(steps)
    whole = TrajectoryBuffer(3, capacity, 10, FIELDS, generators(3), kind)
    assert whole.nbytes == required_bytes(3, capacity, FIELDS, kind, 10) == allocated(whole)


def test_bytes_by_hand():
    # 12 + 5 · 2 + 4 + 2 · 8 a step; 10 · 12 + 3 · 10 + 10 · 4 + 16 and the length, 8, a trajectory of 10 steps.
    assert required_bytes(2, 100, FIELDS) == 2 * 100 * 42
    assert required_bytes(2, 100, FIELDS, steps=10) == 2 * 100 * (120 + 30 + 40 + 16 + 8)
    # The tree over 100 leaves: 128 and, above, 4 in 32; and the largest priority.
    assert required_bytes(2, 100, FIELDS, "prioritised") == 2 * (4200 + 8 * (128 + 32 + 1))


@pytest.mark.parametrize("kind", ["uniform", "prioritised"])
@pytest.mark.parametrize("steps", [None, 7])
def test_a_capacity_in_bytes_is_the_largest_that_fits(kind, steps):
    least = required_bytes(2, 1, FIELDS, kind, steps)
    for size in (least, 2 * least + 1, 99_999, 1_000_000):
        capacity = capacity_within(size, 2, FIELDS, kind, steps)
        assert required_bytes(2, capacity, FIELDS, kind, steps) <= size
        assert required_bytes(2, capacity + 1, FIELDS, kind, steps) > size
    with pytest.raises(ConfigError, match=f"capacity_bytes must be at least {least}"):
        capacity_within(least - 1, 2, FIELDS, kind, steps)
    buffer = TransitionBuffer(2, None, FIELDS, generators(2), capacity_bytes=8400)
    assert (buffer.capacity, buffer.nbytes) == (100, 8400)
    whole = TrajectoryBuffer(2, None, 10, FIELDS, generators(2), capacity_bytes=4500)
    assert (whole.capacity, whole.nbytes) == (10, 4280)


def test_what_does_not_fit_is_refused_before_it_is_allocated():
    fields = [Field("frame", (1000, 1000))]
    with pytest.raises(
        ConfigError, match=r"needs 4 PB and .* are free.*: give it a smaller"
    ) as error:
        TransitionBuffer(1, 10**9, fields, generators(1))
    assert "uniform replay of 1 x 1,000,000,000 transitions" in str(error.value)


def test_what_other_buffers_have_not_used_yet_counts(monkeypatch):
    """The system calls memory free until it is written to."""
    gc.collect()
    others = sum(buffer.unused_bytes for buffer in replay_rows._LIVE)
    monkeypatch.setattr(replay_fields, "available_bytes", lambda device: others + 10_000)
    first = TransitionBuffer(1, 150, FIELDS, generators(1))
    assert first.unused_bytes == first.nbytes == 6300
    message = r"needs 6.3 kB and .* are free, of which .* are promised to other buffers: give"
    with pytest.raises(ConfigError, match=message):
        TransitionBuffer(1, 150, FIELDS, generators(1))
    first.add({f.name: torch.zeros(1, 100, *f.shape) for f in FIELDS})
    assert first.unused_bytes == 2100
    second = TransitionBuffer(1, 150, FIELDS, generators(1))
    del first, second
    TransitionBuffer(1, 230, FIELDS, generators(1))


def test_the_memory_is_said():
    buffer = TransitionBuffer(2, 100, FIELDS, generators(2))
    assert str(buffer) == "uniform replay of 2 x 100 transitions (8.4 kB)"
    whole = TrajectoryBuffer(1, 50, 1000, [Field("x")], generators(1), "reservoir")
    assert str(whole) == "reservoir replay of 1 x 50 trajectories of 1,000 steps (200 kB)"


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (999_600, "1 MB"), (1.55e9, "1.55 GB")],
)
def test_bytes_in_words(size, words):
    assert in_words(size) == words


def test_free_memory_is_that_of_the_system_or_of_the_container(tmp_path, monkeypatch):
    assert available_bytes() > 10**7
    assert available_bytes("meta") is None
    monkeypatch.setattr(replay_fields, "_container_bytes", lambda: 5)
    assert available_bytes() == 5
    monkeypatch.undo()
    assert replay_fields._container_bytes(tmp_path) is None
    (tmp_path / "memory.current").write_text("300\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert replay_fields._container_bytes(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert replay_fields._container_bytes(tmp_path) == 700


def test_impossible_fields_are_refused():
    for arguments, message in (
        ({"name": ""}, "a field needs a name"),
        ({"name": "x", "shape": (2, 0)}, "shape of field 'x' must be positive"),
        ({"name": "x", "dtype": torch.complex64}, "field 'x' cannot be stored as torch.complex64"),
        ({"name": "x", "every": -1}, "every of field 'x' must not be negative"),
    ):
        with pytest.raises(ConfigError, match=message):
            Field(**arguments)
    with pytest.raises(ConfigError, match="two fields 'lengths'"):
        TrajectoryBuffer(1, 2, 3, [Field("lengths")], generators(1))
