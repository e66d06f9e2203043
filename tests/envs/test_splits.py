"""The train and held-out halves: disjoint, complete, and alike in what makes a task hard."""

import numpy as np
import pytest
import torch

from prefrontal.envs.splits import (
    bands,
    by_trial,
    chequerboard,
    first_state,
    in_train_bands,
    in_train_diamonds,
    in_train_parity,
    normal,
    switches_before,
    switching,
)

N = 400_000


def uniforms(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("count", [8, 32])
def test_bands_are_disjoint_and_have_equal_mean_and_variance(count):
    train, held_out = (bands(uniforms(N), split, count) for split in ("train", "held_out"))
    assert in_train_bands(train, count).all()
    assert not in_train_bands(held_out, count).any()
    for half in (train, held_out):
        assert half.mean() == pytest.approx(0.5, abs=0.002)  # standard error .0005
        assert half.var() == pytest.approx(1 / 12, abs=0.0005)


def test_diamonds_are_disjoint_and_swapping_arms_keeps_the_half():
    train, held_out = (
        chequerboard(uniforms(N, 2), "train"),
        chequerboard(uniforms(N, 2), "held_out"),
    )
    assert in_train_diamonds(train).all()
    assert not in_train_diamonds(held_out).any()
    assert in_train_diamonds(train.flip(1)).all()
    assert in_train_diamonds(uniforms(N, 2)).float().mean() == pytest.approx(0.5, abs=0.004)


def test_both_diamond_halves_have_the_same_best_arm_and_gap():
    for split in ("train", "held_out", "all"):
        p = chequerboard(uniforms(N, 2), split)
        assert p.max(1).values.mean() == pytest.approx(2 / 3, abs=0.002)  # standard error .0004
        assert (p[:, 0] - p[:, 1]).abs().mean() == pytest.approx(1 / 3, abs=0.002)
        assert (p[:, 0] - p[:, 1]).abs().std() == pytest.approx((1 / 18) ** 0.5, abs=0.002)


@pytest.mark.parametrize("arms", [3, 5, 10])
def test_parity_is_disjoint_and_treats_arms_alike(arms):
    best = {}
    for split in ("train", "held_out"):
        p = chequerboard(uniforms(N // 4, arms), split)
        assert (in_train_parity(p) == (split == "train")).all()
        permuted = p[:, torch.randperm(arms, generator=torch.Generator().manual_seed(1))]
        assert (in_train_parity(permuted) == (split == "train")).all()
        assert p.min() >= 0.0
        assert p.max() <= 1.0
        best[split] = p.max(1).values.mean().item()
    assert best["train"] == pytest.approx(arms / (arms + 1), abs=0.003)
    assert best["held_out"] == pytest.approx(arms / (arms + 1), abs=0.003)


def test_unknown_split_is_an_error():
    with pytest.raises(ValueError, match="split must be one of train, held_out, all; got 'test'"):
        bands(uniforms(3), "test")


def test_switching_by_hand():
    states = switching(torch.tensor([0, 1]), torch.tensor([[0, 1, 0, 1], [1, 1, 0, 0]]).bool())
    assert states.tolist() == [[0, 0, 1, 1, 0], [1, 0, 1, 1, 1]]
    assert [row.tolist() for row in by_trial(states)] == states.T.tolist()
    count, since = zip(*(switches_before(states, trial) for trial in range(5)), strict=True)
    assert torch.stack(count, 1).tolist() == [[0, 0, 1, 1, 2], [0, 1, 2, 2, 2]]
    assert torch.stack(since, 1).tolist() == [[0, 1, 0, 1, 0], [0, 0, 0, 1, 2]]


def test_first_state_makes_disjoint_halves_that_are_alike():
    generator = torch.Generator().manual_seed(0)
    events = torch.rand(20_000, 20, generator=generator) < 0.2
    uniform = torch.rand(20_000, generator=generator)
    train, held_out = (first_state(uniform, events, 0.2, s) for s in ("train", "held_out"))
    assert (train != held_out).all()  # the same events go with another first state
    assert train.float().mean() == pytest.approx(0.5, abs=0.015)
    for trial in (0, 19):  # and no single event tells the first state
        assert train[events[:, trial]].float().mean() == pytest.approx(0.5, abs=0.03)
    assert first_state(uniform, events, 0.2, "all").float().mean() == pytest.approx(0.5, abs=0.015)


def test_halves_that_would_differ_are_refused():
    with pytest.raises(ValueError, match=r"nothing can be held out: with 3 trials .* split='all'"):
        first_state(torch.rand(4), torch.zeros(4, 3).bool(), 0.1, "held_out")
    assert len(first_state(torch.rand(4), torch.zeros(4, 3).bool(), 0.1, "all")) == 4


def test_normal_numbers():
    draws = normal(torch.rand(1000, 100, generator=torch.Generator().manual_seed(0)))
    assert draws.shape == (1000, 100)
    assert draws.mean() == pytest.approx(0.0, abs=0.015)
    assert draws.std() == pytest.approx(1.0, abs=0.01)
    assert (draws**4).mean() == pytest.approx(3.0, abs=0.1)
    pairs = np.corrcoef(draws[:, :50].flatten(), draws[:, 50:].flatten())[0, 1]
    assert abs(pairs) < 0.02
    edge = normal(torch.tensor([[0.0, 0.0, 1.0 - 2.0**-24, 0.5]]))
    assert torch.isfinite(edge).all()
