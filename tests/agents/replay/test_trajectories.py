"""Replay of trajectories and of slices of them: masks, places, and how often each is drawn."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.replay.priorities import Priorities
from prefrontal.agents.replay.store import Field
from prefrontal.agents.replay.trajectories import TrajectoryBuffer

KINDS = ("uniform", "prioritised", "reservoir")
STEPS = 10
# Each step's number; every second step's recurrent state before it; each trajectory's task.
FIELDS = [
    Field("step", dtype=torch.int64),
    Field("state", (2,), every=2),
    Field("task", dtype=torch.int64, every=0),
]


def generators(members: int = 1, first: int = 0) -> list[torch.Generator]:
    return [generator(0, first + member, "replay") for member in range(members)]


def trajectories(lengths: list[list[int]], first: int = 0) -> tuple[dict, torch.Tensor]:
    """Steps are 100 · (trajectory + 1) + t, the state is (step, -step), all is 7 after the end."""
    steps = torch.tensor(lengths)
    task = first + torch.arange(steps.shape[1]).expand(steps.shape)
    step = 100 * (task.unsqueeze(2) + 1) + torch.arange(STEPS)
    state = torch.stack([step, -step], 3)[:, :, ::2].float()
    over = torch.arange(STEPS) >= steps.unsqueeze(2)
    step[over], state[over[:, :, ::2]] = 7, 7
    return {"step": step, "state": state, "task": task}, steps


def build(lengths: list[list[int]], kind="uniform", capacity: int = 8, **more) -> TrajectoryBuffer:
    members = len(lengths)
    buffer = TrajectoryBuffer(members, capacity, STEPS, FIELDS, generators(members), kind, **more)
    buffer.add(*trajectories(lengths))
    return buffer


def check(sample, length: int, lengths: torch.Tensor) -> None:
    """What is in a sample is what `trajectories` wrote, and 0 where the mask is."""
    members, n, steps = sample.mask.shape
    t = sample.start.unsqueeze(2) + torch.arange(steps)
    whole = torch.stack([row[index] for row, index in zip(lengths, sample.index, strict=True)])
    expected = t < torch.minimum(whole, sample.start + length).unsqueeze(2)
    assert torch.equal(sample.mask, expected)
    assert torch.equal(sample.lengths, expected.sum(2))
    step = torch.where(expected, 100 * (sample.data["task"].unsqueeze(2) + 1) + t, 0)
    assert torch.equal(sample.data["step"], step)
    state = torch.stack([step, -step], 3)[:, :, ::2].float()
    assert torch.equal(sample.data["state"], state)
    assert sample.data["task"].shape == (members, n)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_trajectories_come_with_masks(kind):
    lengths = [[4, 10, 1], [7, 2, 2]]
    buffer = build(lengths, kind)
    sample = buffer.sample(50)
    assert sample.mask.shape == (2, 50, 10)
    check(sample, STEPS, torch.tensor(lengths))
    assert torch.equal(sample.learn, sample.mask)
    assert not sample.start.any()
    short = build([[4, 3]], kind)
    assert short.sample(9).mask.shape[2] <= 4
    assert short.sample(9, cut=False).mask.shape == (1, 9, 10)
    check(short.sample(9, cut=False), STEPS, torch.tensor([[4, 3]]))


def test_fewer_steps_than_there_is_room_for():
    """What is given may be shorter than the longest trajectory."""
    buffer = TrajectoryBuffer(1, 4, STEPS, FIELDS, generators())
    data, lengths = trajectories([[6, 6]])
    buffer.add(
        {"step": data["step"][:, :, :6], "state": data["state"][:, :, :3], "task": data["task"]},
        lengths,
    )
    check(buffer.sample(8), STEPS, torch.tensor([[6, 6]]))
    full = TrajectoryBuffer(1, 2, STEPS, FIELDS, generators())
    full.add(*trajectories([[10, 10, 10]]))
    check(full.sample(8), STEPS, torch.tensor([[10, 10]]))
    assert set(full.sample(50).data["task"][0].tolist()) == {1, 2}  # the first was overwritten


def test_what_was_overwritten_leaves_nothing_behind():
    buffer = build([[10, 10]], capacity=2)
    buffer.add(*trajectories([[3, 4]], first=2))
    sample = buffer.sample(20, cut=False)
    assert set(sample.data["task"][0].tolist()) == {2, 3}
    check(sample, STEPS, torch.tensor([[3, 4]]))


def test_slices_of_a_trajectory_by_hand():
    """10 steps, slices of 4 every 2, burn-in 4: learn from 0, 2, 4, 6 on, begin at 0, 0, 0, 2."""
    buffer = build([[10]])
    sample = buffer.sample_slices(400, length=4, burn_in=4, stride=2)
    assert sample.mask.shape == (1, 400, 8)
    seen = {}
    for k in range(400):
        learn, mask = sample.learn[0, k].tolist(), sample.mask[0, k].tolist()
        first = int(sample.start[0, k]) + learn.index(True)
        seen[first] = (int(sample.start[0, k]), sum(learn), sum(mask))
    assert seen == {0: (0, 4, 4), 2: (0, 4, 6), 4: (0, 4, 8), 6: (2, 4, 8)}
    # The state before the first step of each slice.
    first = 100 + sample.start[0].float()
    assert torch.equal(sample.data["state"][0, :, 0], torch.stack([first, -first], 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("length", "burn_in", "stride"), [(4, 2, 2), (3, 0, 2), (2, 0, 2), (99, 4, 6)]
)
def test_slices_hold_the_steps_of_their_trajectory(kind, length, burn_in, stride):
    lengths = torch.tensor([[1, 5, 10, 9], [2, 2, 3, 10]])
    sample = build(lengths.tolist(), kind).sample_slices(300, length, burn_in, stride)
    whole = torch.stack([row[index] for row, index in zip(lengths, sample.index, strict=True)])
    first = sample.learn.int().argmax(2)
    assert bool(sample.learn.any(2).all())
    begin = sample.start + first
    assert not (begin % stride).any()
    assert torch.equal(first, torch.minimum(begin, torch.tensor(burn_in)))
    end = torch.minimum(whole, begin + length)
    t = sample.start.unsqueeze(2) + torch.arange(sample.mask.shape[2])
    assert torch.equal(sample.mask, t < end.unsqueeze(2))
    assert torch.equal(sample.learn, sample.mask & (t >= begin.unsqueeze(2)))
    step = torch.where(sample.mask, 100 * (sample.data["task"].unsqueeze(2) + 1) + t, 0)
    assert torch.equal(sample.data["step"], step)
    state = torch.stack([step, -step], 3)[:, :, ::2].float()
    assert torch.equal(sample.data["state"], state)


def slices(length: int, stride: int, steps: int) -> int:
    """The slices of a trajectory, counted: starts up to the first slice that reaches the end."""
    count = 1
    while (count - 1) * stride + length < steps:
        count += 1
    return count


@pytest.mark.parametrize("kind", ["uniform", "reservoir"])
def test_all_slices_are_equally_likely(kind):
    lengths = [[1, 5, 10, 9], [10, 3, 2, 4]]
    buffer = build(lengths, kind)
    sample = buffer.sample_slices(20_000, length=4, stride=2)
    for member, steps in enumerate(lengths):
        counts = [slices(4, 2, n) for n in steps]
        number = np.concatenate([[0], np.cumsum(counts)])[sample.index[member]]
        number += sample.start[member].numpy() // 2
        found = np.bincount(number, minlength=sum(counts))
        assert len(found) == sum(counts)
        assert chisquare(found).pvalue > 1e-3
    assert bool((sample.weight == 1).all())


def test_slices_by_priority():
    """The trajectory by its priority, then one of its slices; weights undo both."""
    settings = Priorities(alpha=1.0, beta=1.0, epsilon=1e-9)
    buffer = TrajectoryBuffer(1, 8, STEPS, FIELDS, generators(), "prioritised", priorities=settings)
    data, lengths = trajectories([[1, 5, 10, 9]])
    buffer.add(data, lengths, priority=torch.tensor([[1.0, 2.0, 4.0, 1.0]]))
    sample = buffer.sample_slices(40_000, length=4, stride=2)
    counts = [slices(4, 2, n) for n in (1, 5, 10, 9)]
    exact = np.concatenate(
        [np.full(c, p / 8 / c) for c, p in zip(counts, (1, 2, 4, 1), strict=True)]
    )
    first = np.concatenate([[0], np.cumsum(counts)])
    number = first[sample.index[0]] + sample.start[0].numpy() // 2
    assert chisquare(np.bincount(number, minlength=sum(counts)), 40_000 * exact).pvalue > 1e-3
    weight = 1 / exact[number]
    np.testing.assert_allclose(sample.weight[0], weight / weight.max(), rtol=1e-6)


def test_slices_of_trajectories_that_were_added_later():
    """How many slices there are is counted anew when something is added or restored."""
    buffer = build([[2, 2]], capacity=2)
    assert set(buffer.sample_slices(50, 4, stride=2).data["task"][0].tolist()) == {0, 1}
    state = buffer.state()
    buffer.add(*trajectories([[10]], first=2))
    sample = buffer.sample_slices(700, 4, stride=2)
    assert abs(float((sample.data["task"] == 2).float().mean()) - 4 / 5) < 0.06
    buffer.set_state(state)
    assert set(buffer.sample_slices(50, 4, stride=2).data["task"][0].tolist()) == {0, 1}


@pytest.mark.parametrize("kind", KINDS)
def test_resume_is_exact(kind):
    def play(buffer: TrajectoryBuffer, k: int) -> list[torch.Tensor]:
        g = torch.Generator().manual_seed(k)
        lengths = torch.randint(1, STEPS + 1, (2, 3), generator=g)
        buffer.add(*trajectories(lengths.tolist(), first=3 * k))
        found = []
        for sample in (buffer.sample(20), buffer.sample_slices(20, 4, 2, 2)):
            found += [*sample.data.values(), sample.index, sample.weight, sample.mask, sample.learn]
            if kind == "prioritised":
                buffer.update_priorities(sample.index, torch.rand(2, 20, generator=g))
        return found

    buffer, other = build([[1], [2]], kind, capacity=5), build([[9, 9], [9, 9]], kind, capacity=5)
    for k in range(4):
        play(buffer, k)
        other.set_state(buffer.state())
        for a, b in zip(play(buffer, k + 10), play(other, k + 10), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_does_not_depend_on_the_others(kind):
    lengths = [[3, 9, 10], [10, 4, 1]]
    many, alone = (
        build(lengths, kind),
        TrajectoryBuffer(1, 8, STEPS, FIELDS, generators(1, 1), kind),
    )
    alone.add(*trajectories(lengths[1:]))
    pairs = [(many.sample(30, cut=False), alone.sample(30, cut=False))]
    pairs.append((many.sample_slices(30, 4, 2, 2), alone.sample_slices(30, 4, 2, 2)))
    for both, one in pairs:
        assert torch.equal(both.index[1], one.index[0])
        assert torch.equal(both.weight[1], one.weight[0])
        assert torch.equal(both.data["step"][1], one.data["step"][0])


def test_samples_are_on_the_device_that_needs_them():
    """The device "meta" holds no data, but says where a tensor is."""
    buffer = build([[3, 9, 10]], device="meta")
    for sample in (buffer.sample(3), buffer.sample_slices(3, 4, 2, 2)):
        found = (*sample.data.values(), sample.index, sample.weight, sample.mask, sample.learn)
        assert {x.device.type for x in found} == {"meta"}


def test_errors_say_what_is_wrong():
    buffer = build([[5]])
    data, lengths = trajectories([[5]])
    for call, message in (
        (
            lambda: buffer.add({"step": data["step"]}, lengths),
            "of step, state, task cannot add step",
        ),
        (lambda: buffer.add(data, torch.tensor([[11]])), "must be from 1 to 10"),
        (lambda: buffer.add(data, torch.tensor([[0]])), "must be from 1 to 10"),
        (
            lambda: buffer.add({**data, "step": data["step"][:, :, :4]}, lengths),
            "field 'step' must have 5 to 10 entries, not 4",
        ),
        (
            lambda: buffer.add({**data, "state": data["state"][:, :, :2]}, lengths),
            "field 'state' must have 3 to 5 entries, not 2",
        ),
        (
            lambda: buffer.add({**data, "task": data["step"]}, lengths),
            r"field 'task' must have shape \(members, n\), not",
        ),
        (
            lambda: buffer.add({**data, "state": data["step"]}, lengths),
            r"field 'state' must have shape \(members, n, steps, 2\), not",
        ),
        (lambda: buffer.sample_slices(1, 0), "stride from 1 to length"),
        (lambda: buffer.sample_slices(1, 2, stride=3), "stride from 1 to length"),
        (
            lambda: buffer.sample_slices(1, 4, stride=1),
            "must be multiples of 2, as of field 'state'",
        ),
        (lambda: buffer.sample_slices(1, 4, 3, 2), "must be multiples of 2, as of field 'state'"),
        (lambda: TrajectoryBuffer(1, 1, 0, FIELDS, generators()), "at least one step, not 0"),
        (
            lambda: TrajectoryBuffer(1, 1, STEPS, FIELDS, generators()).sample_slices(1, 4, 0, 2),
            "once something was added",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            call()
