"""What a replay buffer stores: exact sizes, known and refused before anything is allocated."""

import pytest
import torch

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.memory import memory_limit
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.replay.buffer import TransitionBuffer
from prefrontal.agents.replay.store import Field
from prefrontal.agents.replay.trajectories import TrajectoryBuffer

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
    assert steps.nbytes == allocated(steps)
    whole = TrajectoryBuffer(3, capacity, 10, FIELDS, generators(3), kind)
    assert whole.nbytes == allocated(whole)


def test_bytes_by_hand():
    # 12 + 5 · 2 + 4 + 2 · 8 a step.
    steps = TransitionBuffer(2, 100, FIELDS, generators(2))
    assert steps.nbytes == 2 * 100 * 42
    # 10 · 12 + 3 · 10 + 10 · 4 + 16, and the length, 8: a trajectory of 10 steps.
    whole = TrajectoryBuffer(2, 100, 10, FIELDS, generators(2))
    assert whole.nbytes == 2 * 100 * (120 + 30 + 40 + 16 + 8)
    # The tree over 100 leaves: 128 and, above, 4 in 32; and the largest priority.
    tree = TransitionBuffer(2, 100, FIELDS, generators(2), "prioritised")
    assert tree.nbytes == 2 * (4200 + 8 * (128 + 32 + 1))


def test_what_does_not_fit_is_refused_before_it_is_allocated():
    message = r"needs 4e\+06 GB, more than the total memory of .* GB: give it a smaller"
    with pytest.raises(ConfigError, match=message) as error:
        TransitionBuffer(1, 10**9, [Field("frame", (1000, 1000))], generators(1))
    assert "uniform replay of 1 x 1,000,000,000 transitions" in str(error.value)


def test_the_memory_is_said():
    buffer = TransitionBuffer(2, 100, FIELDS, generators(2))
    assert str(buffer) == "uniform replay of 2 x 100 transitions (0.0084 MB)"
    whole = TrajectoryBuffer(1, 50, 1000, [Field("x")], generators(1), "reservoir")
    assert str(whole) == "reservoir replay of 1 x 50 trajectories of 1,000 steps (0.2 MB)"


def test_memory_is_that_of_the_machine_or_of_the_container(tmp_path):
    limit = tmp_path / "memory.max"
    machine = memory_limit(limit)
    assert machine > 10**8
    limit.write_text("max\n")
    assert memory_limit(limit) == machine
    limit.write_text("1000\n")
    assert memory_limit(limit) == 1000


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
