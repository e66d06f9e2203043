"""Switching states, their halves, and normal numbers."""

import numpy as np
import pytest
import torch

from prefrontal.envs.schedules import by_trial, first_state, normal, switches_before, switching


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
