"""The sum tree against plain sums; weights and sequence priorities against values by hand."""

import pytest
import torch

from prefrontal.agents.replay import priorities as module
from prefrontal.agents.replay.priorities import (
    FAN_OUT,
    Priorities,
    Prioritised,
    SumTree,
    sequence_priority,
)


@pytest.fixture(autouse=True, params=["compiled", "torch"])
def _way(request, monkeypatch):
    """The compiled tree, where there is a compiler, and the one in PyTorch."""
    if request.param == "torch":
        monkeypatch.setattr(module, "available", lambda *_: False)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, dtype=torch.float64, generator=g)


def importance_weights(probability: torch.Tensor, size: int, beta: float) -> torch.Tensor:
    return Prioritised(1, 1, Priorities(beta=beta)).weights(probability, size)


def check_sums(tree: SumTree) -> None:
    """Every node is the sum of its children."""
    for level, above in zip(tree.levels[1:], tree.levels[:-1], strict=True):
        sums = level.view(tree.members, -1, FAN_OUT).cumsum(2)[..., -1]
        assert torch.equal(above[:, : sums.shape[1]], sums)
        assert not above[:, sums.shape[1] :].any()


@pytest.mark.parametrize("capacity", [1, 31, 32, 33, 1000, 1024, 1025, 40_000])
def test_leaves_are_found_at_their_share_of_the_total(capacity):
    tree = SumTree(2, capacity)
    weights = (numbers(2, capacity) * 8).floor()  # many are 0, and all sums are exact
    weights[:, -1] = 3
    member, leaf = (
        x.flatten() for x in torch.meshgrid(torch.arange(2), torch.arange(capacity), indexing="ij")
    )
    order = torch.randperm(len(leaf), generator=torch.Generator().manual_seed(1))
    for part in order.split(997):
        tree.set(member[part], leaf[part], weights.flatten()[part])
    check_sums(tree)
    assert torch.equal(tree.leaves, weights)
    assert torch.equal(tree.total(), weights.sum(1))
    fractions = numbers(2, 500, seed=2)
    fractions[:, 0], fractions[:, 1] = 0.0, 1 - 2**-53
    expected = torch.searchsorted(
        weights.cumsum(1), fractions * weights.sum(1, keepdim=True), right=True
    )
    assert torch.equal(tree.find(fractions), expected)
    rebuilt = SumTree(2, capacity)
    rebuilt.rebuild(weights)
    for a, b in zip(tree.levels, rebuilt.levels, strict=True):
        assert torch.equal(a, b)


def test_a_leaf_without_weight_is_never_drawn():
    """Whatever rounding does: weights over 200 orders of magnitude, and a fraction of 1."""
    tree = SumTree(1, 5000)
    weights = 10 ** (numbers(1, 5000) * 200 - 100)
    weights[numbers(1, 5000, seed=1) < 0.7] = 0
    weights[0, 4000:] = 0
    tree.rebuild(weights)
    fractions = torch.cat([numbers(1, 20_000, seed=3), torch.ones(1, 1, dtype=torch.float64)], 1)
    assert bool((weights[0, tree.find(fractions)[0]] > 0).all())
    small = SumTree(1, 100)
    small.rebuild(torch.nn.functional.pad(numbers(1, 40), (0, 60)))
    assert int(small.find(torch.ones(1, 1, dtype=torch.float64))) == 39


def test_both_ways_are_the_same_bit_by_bit(monkeypatch):
    trees = [SumTree(3, 2000)]
    monkeypatch.setattr(module, "available", lambda *_: False)
    trees.append(SumTree(3, 2000))
    g = torch.Generator().manual_seed(0)
    for _ in range(20):
        member, leaf = (torch.randint(k, (300,), generator=g) for k in (3, 2000))
        weight = 10 ** (torch.rand(300, dtype=torch.float64, generator=g) * 12)
        fraction = torch.rand(3, 64, dtype=torch.float64, generator=g)
        for tree in trees:
            tree.set(member, leaf, weight)
        for a, b in zip(trees[0].levels, trees[1].levels, strict=True):
            assert torch.equal(a, b)
        assert torch.equal(trees[0].find(fraction), trees[1].find(fraction))


def test_nothing_drifts():
    """After 100,000 changes the sums are those of a tree built from the same leaves, bit by bit."""
    tree = SumTree(1, 2000)
    g = torch.Generator().manual_seed(0)
    zero = torch.zeros(1000, dtype=torch.int64)
    for _ in range(100):
        leaf = torch.randint(2000, (1000,), generator=g)
        tree.set(zero, leaf, 10 ** (torch.rand(1000, dtype=torch.float64, generator=g) * 16))
    again = SumTree(1, 2000)
    again.rebuild(tree.leaves)
    for a, b in zip(tree.levels, again.levels, strict=True):
        assert torch.equal(a, b)


def test_of_equal_leaves_the_larger_weight_counts():
    tree = SumTree(2, 50)
    tree.rebuild(torch.full((2, 50), 9.0, dtype=torch.float64))
    member, leaf = torch.tensor([0, 0, 0, 1]), torch.tensor([7, 7, 7, 7])
    tree.set(member, leaf, torch.tensor([1.0, 3.0, 2.0, 0.5], dtype=torch.float64))
    assert tree.leaves[:, 7].tolist() == [3.0, 0.5]
    check_sums(tree)


def test_importance_weights_by_hand():
    probability = torch.tensor([[0.5, 0.25, 0.125], [0.1, 0.1, 0.4]])
    weights = importance_weights(probability, 8, beta=0.5)
    torch.testing.assert_close(weights[0], torch.tensor([0.5, 0.5**0.5, 1.0]))
    torch.testing.assert_close(weights[1], torch.tensor([1.0, 1.0, 0.5]))
    assert torch.equal(importance_weights(probability, 8, beta=0.0), torch.ones(2, 3))


def test_weighted_samples_are_unbiased():
    """Σ w δ / Σ w with beta 1 estimates the uniform mean, whatever the priorities."""
    values, priority = numbers(1, 300), numbers(1, 300, seed=1) + 0.1
    tree = SumTree(1, 300)
    tree.rebuild(priority)
    index = tree.find(numbers(1, 50_000, seed=2))
    weights = importance_weights(priority[0, index] / priority.sum(), 300, beta=1.0)
    mean = (weights * values[0, index]).sum() / weights.sum()
    assert abs(mean - values.mean()) < 0.006


def test_priority_of_a_sequence_by_hand():
    """R2D2: .9 max + .1 mean of the absolute errors."""
    error = torch.tensor([[1.0, -3.0, 2.0], [0.5, -0.5, 9.0]])
    torch.testing.assert_close(sequence_priority(error), torch.tensor([2.9, 8.4 + 0.1 / 3]))
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    torch.testing.assert_close(sequence_priority(error, mask), torch.tensor([2.9, 0.5]))
    torch.testing.assert_close(sequence_priority(error, mask, eta=0.0), torch.tensor([2.0, 0.5]))
    nan = torch.where(mask.bool(), error, torch.nan)
    torch.testing.assert_close(sequence_priority(nan, mask), torch.tensor([2.9, 0.5]))
