"""Every side of the comparison runs and counts its steps rightly; no timing decides anything."""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks.measure import Side
from benchmarks.peers.common import TRIALS
from benchmarks.peers.evolution import LIFETIME, lifetimes

SIDES = [
    (Side("ours", "prefrontal", 2, 3), 2 * 3 * TRIALS),
    (Side("CleanRL-style", "cleanrl_style", 1, 2), 2 * TRIALS),
    (Side("one environment", "one_environment", 1, 1), TRIALS),
    (Side("SB3 A2C", "sb3_a2c", 1, 2), 2 * TRIALS),
    (Side("evolution", "evolution", 4, 2), 4 * (2 * LIFETIME + 1) * TRIALS),
    (Side("DEAP", "evolution", 3, 2, function="play_deap"), 2 * TRIALS),
]
needs_contrib = pytest.mark.skipif(
    importlib.util.find_spec("sb3_contrib") is None, reason="needs the bench extra"
)
needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="needs the jax extra"
)


def check(side: Side, steps: int) -> None:
    generator = side.play()
    assert [next(generator) for _ in range(2)] == [steps, steps]


@pytest.mark.parametrize(("side", "steps"), SIDES, ids=[side.name for side, _ in SIDES])
def test_every_update_counts_its_steps(side, steps):
    check(side, steps)


@needs_contrib
def test_recurrent_ppo_counts_its_steps():
    check(Side("RecurrentPPO", "recurrent_ppo", 1, 2), 2 * TRIALS)


@needs_jax
@pytest.mark.parametrize("layout", ["vmap", "chunks"])
def test_jax_counts_its_steps(layout):
    check(Side("JAX", "jax_a2c", 2, 2, options={"layout": layout}), 2 * 2 * TRIALS)


@needs_jax
def test_jax_learns_in_chunks():
    check(Side("JAX", "jax_a2c", 1, 256, options={"layout": "chunks"}), 256 * TRIALS)


@pytest.mark.parametrize("module", ["cleanrl_style", "one_environment", "sb3_a2c", "recurrent_ppo"])
def test_peers_without_a_population_say_so(module):
    with pytest.raises(ValueError, match="one agent"):
        next(Side("two", module, members=2).play())


def test_evolution_goes_on_to_the_next_generation():
    generator = Side("DEAP", "evolution", 2, 1, function="play_deap").play()
    life = [TRIALS] * (LIFETIME + 1)
    assert [next(generator) for _ in range(2 * LIFETIME + 3)] == [*life, *life, TRIALS]


def test_both_sides_of_evolution_have_equal_networks():
    """As many weights, and of a life as many steps."""
    from benchmarks.peers.one_environment import make_agent

    lives = lifetimes(16)
    assert lives.net.size == sum(p.numel() for p in make_agent().parameters())
    assert lives.steps == (16 * LIFETIME + 1) * TRIALS
