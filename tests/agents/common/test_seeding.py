"""Independent streams of random numbers from one seed."""

import itertools

import pytest
import torch

from prefrontal.agents.common.seeding import (
    STREAMS,
    generator,
    generator_states,
    set_generator_states,
)


def draws(*identity) -> tuple[float, ...]:
    return tuple(torch.rand(4, generator=generator(*identity)).tolist())


def test_every_seed_member_and_stream_has_numbers_of_its_own():
    identities = list(itertools.product((0, 1, 2**40), (0, 1, 7), STREAMS))
    seen = {draws(*identity) for identity in identities}
    assert len(seen) == len(identities)
    assert all(draws(*identity) in seen for identity in identities)


@pytest.mark.parametrize("members", [1, 3])
def test_states_come_back_from_one_tensor(members):
    """Which is how checkpoints hold them; PyTorch itself crashes on a row of it."""
    generators = [generator(0, member, "actions") for member in range(members)]
    torch.rand(5, generator=generators[-1])
    states = generator_states(generators)
    assert states.shape[0] == members
    wanted = [torch.rand(3, generator=g) for g in generators]
    set_generator_states(generators, states)
    others = [generator(9, member, "actions") for member in range(members)]
    set_generator_states(others, states)
    for g, other, numbers in zip(generators, others, wanted, strict=True):
        assert torch.equal(torch.rand(3, generator=g), numbers)
        assert torch.equal(torch.rand(3, generator=other), numbers)
