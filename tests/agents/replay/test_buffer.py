"""Replay of steps: what is kept and drawn, exact resume, and members that are independent."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.replay.buffer import BLOCK, TransitionBuffer, Uniforms, reservoir
from prefrontal.agents.replay.priorities import Priorities
from prefrontal.agents.replay.store import Field
from prefrontal.agents.runs.checkpoint import load_checkpoint, save_checkpoint

KINDS = ("uniform", "prioritised", "reservoir")
NUMBER = Field("number", dtype=torch.int64)


def generators(members: int = 1, seed: int = 0, first: int = 0) -> list[torch.Generator]:
    return [generator(seed, first + member, "replay") for member in range(members)]


def numbers(buffer: TransitionBuffer) -> list[list[int]]:
    """What each member has, slot by slot."""
    return buffer.state()["data.number"].tolist()


def fill(buffer: TransitionBuffer, start: int, end: int, batch: int = 7) -> None:
    for first in range(start, end, batch):
        n = torch.arange(first, min(first + batch, end))
        buffer.add({"number": n.expand(buffer.members, -1)})


def test_a_ring_overwrites_the_oldest():
    buffer = TransitionBuffer(2, 5, [NUMBER], generators(2))
    fill(buffer, 0, 3, batch=3)
    assert len(buffer) == 3
    assert numbers(buffer) == [[0, 1, 2]] * 2
    fill(buffer, 3, 7, batch=4)  # wraps
    assert numbers(buffer) == [[5, 6, 2, 3, 4]] * 2
    fill(buffer, 7, 8)
    assert numbers(buffer) == [[5, 6, 7, 3, 4]] * 2
    fill(buffer, 8, 21, batch=13)  # more than fit: the last five
    assert numbers(buffer) == [[20, 16, 17, 18, 19]] * 2
    assert buffer.state()["seen"].tolist() == [21, 21]
    assert len(buffer) == 5


def test_slots_of_a_reservoir_by_hand():
    """Row t goes to floor(u (t + 1)), if that is a slot; the last row of a slot stays."""
    u = np.array([[0.9, 0.9, 0.5, 0.1, 0.99, 0.2]])
    placed = reservoir(0, 2, u)
    # t = 0, 1 fill; floor(.5 * 3) = 1, floor(.1 * 4) = 0, floor(.99 * 5) = 4, floor(.2 * 6) = 1.
    kept = sorted(zip(placed.slot.tolist(), placed.source.tolist(), strict=True))
    assert kept == [(0, 3), (1, 5)]
    later = reservoir(9, 2, np.array([[0.15, 0.5]]))
    assert (later.source.tolist(), later.slot.tolist()) == ([0], [1])  # floor(.15 * 10), then 5


@pytest.mark.parametrize("batch", [1, 7, 45])
def test_a_reservoir_keeps_every_row_with_the_same_probability(batch):
    """45 rows into 10 slots, 1,500 streams: each row is in 10 of 45, also if batches overflow."""
    members, capacity, rows = 1500, 10, 45
    buffer = TransitionBuffer(members, capacity, [NUMBER], generators(members), "reservoir")
    fill(buffer, 0, rows, batch)
    counts = np.bincount(np.concatenate(numbers(buffer)), minlength=rows)
    assert counts.sum() == members * capacity
    assert all(len(set(kept)) == capacity for kept in numbers(buffer))
    # Without replacement the counts vary less than a multinomial's: divide by their true variance.
    share = capacity / rows
    statistic = ((counts - members * share) ** 2).sum() / (members * share * (1 - share))
    statistic *= (rows - 1) / rows  # chi-square with rows - 1 degrees of freedom
    assert 20 < statistic < 75  # .0005 to .9977 of 44 degrees of freedom
    pairs = sum(1 for kept in numbers(buffer) if {0, rows - 1} <= set(kept))
    wanted = members * share * (capacity - 1) / (rows - 1)
    assert abs(pairs - wanted) < 4 * wanted**0.5


def test_a_long_stream_leaves_a_reservoir_uniform():
    """100,000 rows into 500 slots of 8 streams: ages are uniform, and what is new still gets in."""
    buffer = TransitionBuffer(8, 500, [NUMBER], generators(8), "reservoir")
    fill(buffer, 0, 100_000, batch=997)
    kept = np.concatenate(numbers(buffer))
    assert chisquare(np.bincount(kept // 5000, minlength=20)).pvalue > 1e-3
    assert kept.max() > 99_000


def test_how_a_stream_is_cut_into_batches_changes_nothing():
    for kind in KINDS:
        kept = []
        for batch in (1, 3, 64):
            buffer = TransitionBuffer(2, 10, [NUMBER], generators(2), kind)
            fill(buffer, 0, 64, batch)
            kept.append(numbers(buffer))
        assert kept[0] == kept[1] == kept[2]


@pytest.mark.parametrize("kind", ["uniform", "reservoir"])
@pytest.mark.parametrize("size", [3, 50])
def test_rows_are_drawn_with_the_same_probability(kind, size):
    buffer = TransitionBuffer(2, 50, [NUMBER], generators(2), kind)
    fill(buffer, 0, size)
    sample = buffer.sample(20_000)
    assert torch.equal(sample.weight, torch.ones(2, 20_000))
    for drawn, row in zip(sample.data["number"], sample.index, strict=True):
        assert chisquare(np.bincount(drawn, minlength=size)).pvalue > 1e-3
        assert torch.equal(drawn, row)  # nothing was overwritten: slot = number
    independent = torch.corrcoef(sample.data["number"].double())[0, 1]
    assert abs(independent) < 4 / 20_000**0.5


def test_priorities_decide_what_is_drawn():
    """P(i) ∝ (p_i + epsilon)^alpha; 70 rows, so that the tree has more than one level."""
    settings = Priorities(alpha=0.7, beta=1.0, epsilon=0.01)
    buffer = TransitionBuffer(2, 100, [NUMBER], generators(2), "prioritised", priorities=settings)
    priority = torch.rand(2, 70, generator=generator(0, 0, "weights")) * 3
    priority[:, 10] = 0
    buffer.add({"number": torch.arange(70).expand(2, -1)}, priority=priority)
    sample = buffer.sample(50_000)
    for member in range(2):
        exact = ((priority[member].double() + 0.01) ** 0.7).numpy()
        exact /= exact.sum()
        counts = np.bincount(sample.data["number"][member], minlength=100)
        assert counts[70:].sum() == 0
        # One draw in each of n equal parts: counts are within 2 of expected, by construction.
        assert np.abs(counts[:70] - 50_000 * exact).max() < 2
        wanted = 1 / exact[sample.data["number"][member].numpy()]
        np.testing.assert_allclose(sample.weight[member], wanted / wanted.max(), rtol=1e-6)


def test_importance_weights_by_hand():
    """Priorities 1, 2, 5, alpha 1: P = 1/8, 2/8, 5/8; w = (3 P)^-beta, over the largest drawn."""
    for beta in (0.0, 0.5, 1.0):
        settings = Priorities(alpha=1.0, beta=beta, epsilon=1e-12)
        buffer = TransitionBuffer(1, 4, [NUMBER], generators(), "prioritised", priorities=settings)
        buffer.add({"number": torch.arange(3)[None]}, priority=torch.tensor([[1.0, 2.0, 5.0]]))
        sample = buffer.sample(64)
        assert set(sample.data["number"][0].tolist()) == {0, 1, 2}
        wanted = torch.tensor([1.0, 0.5**beta, 0.2**beta])[sample.data["number"]]
        torch.testing.assert_close(sample.weight, wanted)


def test_priorities_after_an_update():
    settings = Priorities(alpha=1.0, epsilon=1e-9)
    buffer = TransitionBuffer(2, 4, [NUMBER], generators(2), "prioritised", priorities=settings)
    buffer.add({"number": torch.arange(4).expand(2, -1)})
    # Row 2 of the first member is there twice: the larger one counts, in any order.
    index = torch.tensor([[2, 0, 2], [1, 1, 3]])
    buffer.update_priorities(index, torch.tensor([[8.0, 0.5, 3.0], [0.0, 0.0, 2.0]]))
    weights = buffer.state()["weights"]
    expected = torch.tensor([[0.5, 1, 8, 1], [0, 1, 1, 1]], dtype=torch.float64)
    expected[1] = torch.tensor([1.0, 0.0, 1.0, 2.0])
    torch.testing.assert_close(weights, expected, atol=1e-8, rtol=0)
    # What is new gets the largest priority that its member has seen.
    buffer.add({"number": torch.tensor([[4, 5], [4, 5]])})
    expected[0, :2], expected[1, :2] = 8.0, 2.0
    torch.testing.assert_close(buffer.state()["weights"], expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [6, 40])
def test_resume_is_exact(kind, rows, tmp_path):
    """Through a checkpoint on disk, at any filling."""

    def build() -> TransitionBuffer:
        fields = [NUMBER, Field("x", (3,), torch.float16), Field("bit", dtype=torch.bool)]
        return TransitionBuffer(3, 20, fields, generators(3), kind)

    def play(buffer: TransitionBuffer, first: int) -> list[torch.Tensor]:
        seen = []
        for k in range(first, first + 2):
            g = torch.Generator().manual_seed(k)
            batch = {
                "number": torch.arange(5).expand(3, -1) + 5 * k,
                "x": torch.rand(3, 5, 3, generator=g),
                "bit": torch.rand(3, 5, generator=g) < 0.5,
            }
            buffer.add(batch)
            sample = buffer.sample(300)
            seen += [sample.index, sample.weight, *sample.data.values()]
            if kind == "prioritised":
                buffer.update_priorities(sample.index, torch.rand(3, 300, generator=g))
        return seen

    first = build()
    fill_all(first, rows)
    play(first, 0)
    save_checkpoint(tmp_path, first.state(), {})
    used = first.state()["data.number"].shape[1]
    assert used == (16 if rows == 6 else 20)
    second = build()
    second.set_state(load_checkpoint(tmp_path)[0])
    for a, b in zip(play(first, 2), play(second, 2), strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(a, second.state()[name]) for name, a in first.state().items())


def fill_all(buffer: TransitionBuffer, rows: int) -> None:
    shapes = {name: (buffer.members, rows, *c.shape) for name, c in buffer._store.fields.items()}
    buffer.add({name: torch.ones(shape) for name, shape in shapes.items()})


def test_a_state_holds_only_what_is_in_use():
    buffer = TransitionBuffer(2, 1000, [NUMBER], generators(2), "prioritised")
    fill(buffer, 0, 30)
    state = buffer.state()
    assert state["data.number"].shape == (2, 30)
    assert state["weights"].shape == (2, 30)
    assert all(value.shape[0] == 2 for value in state.values())


@pytest.mark.parametrize("kind", KINDS)
def test_states_of_shards_make_one_population(kind):
    """Members trained in two processes are saved as one: states are joined along the member."""
    whole = TransitionBuffer(3, 8, [NUMBER], generators(3), kind)
    shards = [
        TransitionBuffer(2, 8, [NUMBER], generators(2), kind),
        TransitionBuffer(1, 8, [NUMBER], generators(1, first=2), kind),
    ]
    for buffer in (whole, *shards):
        fill(buffer, 0, 37)
        buffer.sample(1)
    joined = {k: torch.cat([shard.state()[k] for shard in shards]) for k in whole.state()}
    assert all(torch.equal(value, joined[name]) for name, value in whole.state().items())
    other = TransitionBuffer(3, 8, [NUMBER], generators(3, seed=5), kind)
    other.set_state(joined)
    assert torch.equal(whole.sample(50).index, other.sample(50).index)


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_does_not_depend_on_the_others(kind):
    samples = []
    for first, members in ((0, 3), (1, 1)):
        buffer = TransitionBuffer(members, 16, [NUMBER], generators(members, first=first), kind)
        drawn = []
        for k in range(20):
            values = torch.arange(5) + 5 * k + 1000 * torch.arange(first, first + members)[:, None]
            buffer.add({"number": values})
            sample = buffer.sample(100)
            if kind == "prioritised":
                buffer.update_priorities(sample.index, (sample.data["number"] % 7).float())
            drawn.append((sample.data["number"], sample.weight))
        samples.append(drawn)
    for (many, weights), (alone, weight) in zip(*samples, strict=True):
        assert torch.equal(many[1], alone[0])
        assert torch.equal(weights[1], weight[0])


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_and_tensors_come_to_the_same(kind):
    buffers = [TransitionBuffer(2, 9, [NUMBER, Field("x", (2, 3))], generators(2), kind)]
    buffers.append(TransitionBuffer(2, 9, [NUMBER, Field("x", (2, 3))], generators(2), kind))
    g = torch.Generator().manual_seed(0)
    for _ in range(12):
        batch = {
            "number": torch.randint(100, (2, 4), generator=g),
            "x": torch.rand(2, 4, 2, 3, generator=g, dtype=torch.float64).requires_grad_(),
        }
        buffers[0].add(batch)
        buffers[1].add({name: value.detach().numpy() for name, value in batch.items()})
        first, second = (buffer.sample(33) for buffer in buffers)
        assert torch.equal(first.index, second.index)
        assert torch.equal(first.weight, second.weight)
        for name, value in first.data.items():
            assert value.dtype == second.data[name].dtype
            assert torch.equal(value, second.data[name])
            assert value.is_contiguous()


def test_samples_are_on_the_device_that_needs_them():
    """The device "meta" holds no data, but says where a tensor is."""
    buffer = TransitionBuffer(1, 4, [NUMBER], generators(), device="meta")
    fill(buffer, 0, 3)
    sample = buffer.sample(2)
    assert {x.device.type for x in (*sample.data.values(), sample.index, sample.weight)} == {"meta"}


def test_what_is_sampled_is_a_copy():
    buffer = TransitionBuffer(1, 4, [NUMBER], generators())
    given = torch.ones(1, 4, dtype=torch.int64)
    buffer.add({"number": given})
    given.zero_()
    buffer.sample(4).data["number"].zero_()
    assert numbers(buffer) == [[1, 1, 1, 1]]


def test_errors_are_one_line_and_say_what_is_wrong():
    def build(**changes):
        given = {"members": 2, "capacity": 4, "fields": [NUMBER], "generators": generators(2)}
        return TransitionBuffer(**{**given, **changes})

    for changes, message in (
        ({"kind": "fifo"}, "must be one of uniform, prioritised, reservoir, not 'fifo'"),
        ({"capacity": 0}, "capacity of a replay buffer must be at least 1, not 0"),
        ({"members": 3}, "3 members need as many generators, not 2"),
        ({"generators": generators() * 2}, "a generator of its own"),
        ({"fields": []}, "at least one field"),
        ({"fields": [NUMBER, NUMBER]}, "two fields 'number'"),
        ({"priorities": Priorities()}, 'need kind "prioritised"'),
    ):
        with pytest.raises(ConfigError, match=message) as error:
            build(**changes)
        assert "\n" not in str(error.value)
    buffer = build()
    for call, message in (
        (lambda: buffer.sample(1), "once something was added"),
        (lambda: buffer.add({"x": torch.zeros(2, 1)}), "of number cannot add x"),
        (
            lambda: buffer.add({"number": torch.zeros(3, 1)}),
            r"must have shape \(2, 1\), not \(3, 1\)",
        ),
        (lambda: buffer.add({"number": torch.zeros(2)}), r"must have shape \(2, n\), not \(2,\)"),
        (
            lambda: buffer.update_priorities(torch.zeros(2, 1).long(), torch.ones(2, 1)),
            "only prioritised replay has priorities, this is uniform",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            call()
    fill(buffer, 0, 3)
    with pytest.raises(ConfigError, match="at least one row, not 0"):
        buffer.sample(0)
    prioritised = build(kind="prioritised")
    with pytest.raises(ConfigError, match="finite numbers that are not negative"):
        prioritised.add({"number": torch.ones(2, 1)}, priority=torch.tensor([[1.0], [torch.nan]]))
    fill(prioritised, 0, 3)
    with pytest.raises(ConfigError, match=r"priority must have shape \(2, 1\), not \(2,\)"):
        prioritised.add({"number": torch.ones(2, 1)}, priority=torch.ones(2))
    with pytest.raises(ConfigError, match=r"must both have shape \(2, n\)"):
        prioritised.update_priorities(torch.zeros(2, 1).long(), torch.ones(2, 2))
    for row in (3, -1):  # only three of four slots are in use
        with pytest.raises(ConfigError, match="rows that the buffer does not have"):
            prioritised.update_priorities(torch.full((2, 1), row), torch.ones(2, 1))
    for other in (build(capacity=2), build(fields=[Field("number")]), build(kind="prioritised")):
        with pytest.raises(ConfigError, match="does not fit this one"):
            other.set_state(buffer.state())
    uneven = buffer.state() | {"seen": torch.tensor([3, 2])}
    with pytest.raises(ConfigError, match="its members have different numbers of rows"):
        buffer.set_state(uneven)
    with pytest.raises(ConfigError, match="does not fit this one: it has largest"):
        buffer.set_state(prioritised.state())
    for settings in ({"alpha": 2}, {"beta": -1}, {"epsilon": 0}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            Priorities(**settings)


def test_uniforms_are_the_stream_of_the_generator_however_they_are_taken():
    generators = [generator(3, member, "replay") for member in range(2)]
    wanted = torch.stack(
        [
            torch.rand(3 * BLOCK, dtype=torch.float64, generator=generator(3, member, "replay"))
            for member in range(2)
        ]
    ).numpy()
    draws, done = Uniforms(generators), 0
    for n in (1, 5, BLOCK - 6, BLOCK + 3, 0, 7):
        assert (draws.take(n) == wanted[:, done : done + n]).all()
        done += n
        again = Uniforms([generator(9, member, "replay") for member in range(2)])
        again.set_state(**draws.state())
        assert (again.take(4) == wanted[:, done : done + 4]).all()
