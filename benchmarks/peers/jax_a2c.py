"""The same A2C in pure JAX (own code): a compiled `scan` over network and environment.

The loss is differentiated through the rollout itself, so there is one forward pass, as in ours. Two
ways to lay out members and large batches are compared, because which is faster depends on the
machine and the version of JAX:

- `vmap`: members by `jax.vmap`, the whole batch in one product (what one would write first);
- `chunks`: members one after another, batches in chunks of 128 episodes, by `jax.lax.map` (stays
  in the cache).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.peers.common import (
    ACTIONS,
    CLIP_NORM,
    DISCOUNT,
    ENTROPY_COEF,
    HIDDEN,
    INPUT_SIZE,
    LEARNING_RATE,
    TRIALS,
    VALUE_COEF,
)

CHUNK = 128


def play(members: int, num_envs: int, layout: str = "vmap") -> Iterator[int]:
    """Train `members` agents; see `benchmarks.peers`.

    Args:
        members: Agents.
        num_envs: Episodes per member and update.
        layout: `vmap` or `chunks`.
    """
    import jax
    import jax.numpy as jnp

    chunks = max(1, num_envs // CHUNK) if layout == "chunks" else 1

    def gradient(parameters: Any, key: Any) -> Any:
        if chunks == 1:
            return jax.grad(episodes_loss)(parameters, key, num_envs)
        keys = jax.random.split(key, chunks)
        parts = jax.lax.map(
            lambda k: jax.grad(episodes_loss)(parameters, k, num_envs // chunks), keys
        )
        return jax.tree.map(lambda part: part.mean(0), parts)

    def update(member: Any, count: Any) -> Any:
        parameters, first, second, key = member
        key, now = jax.random.split(key)
        grads = gradient(parameters, now)
        norm = jnp.sqrt(sum(jnp.square(g).sum() for g in jax.tree.leaves(grads)))
        scale = jnp.minimum(1.0, CLIP_NORM / (norm + 1e-6))
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * scale * g, first, grads)
        second = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * jnp.square(scale * g), second, grads)
        rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        parameters = jax.tree.map(
            lambda p, m, s: p - rate * m / (jnp.sqrt(s) + 1e-5), parameters, first, second
        )
        return parameters, first, second, key

    def population(state: Any, count: Any) -> Any:
        if members == 1:
            return update(state, count)
        if layout == "chunks":
            return jax.lax.map(lambda member: update(member, count), state)
        return jax.vmap(update, in_axes=(0, None))(state, count)

    key = jax.random.key(0)
    keys = jax.random.split(key, members) if members > 1 else key
    parameters = jax.vmap(initial)(keys) if members > 1 else initial(keys)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, zeros, jax.tree.map(jnp.zeros_like, parameters), keys)
    step = jax.jit(population, donate_argnums=0)
    count = 0.0
    while True:
        count += 1.0
        state = step(state, jnp.float32(count))
        jax.block_until_ready(state)
        yield members * num_envs * TRIALS


def initial(key: Any) -> dict[str, Any]:
    """Return the parameters of one agent: core ``[I + H + 1, 4 H]``, heads ``[H + 1, K + 1]``."""
    import jax

    core, heads = jax.random.split(key)
    bound = HIDDEN**-0.5
    return {
        "core": jax.random.uniform(
            core, (INPUT_SIZE + HIDDEN + 1, 4 * HIDDEN), minval=-bound, maxval=bound
        ),
        "heads": jax.random.uniform(heads, (HIDDEN + 1, ACTIONS + 1), minval=-bound, maxval=bound),
    }


def episodes_loss(parameters: dict[str, Any], key: Any, episodes: int) -> Any:
    """Play a batch of episodes and return its A2C loss."""
    import jax
    import jax.numpy as jnp

    core, heads = parameters["core"], parameters["heads"]

    # COLLECT: all noise first; with two arms one uniform chooses the action
    for_arms, for_rewards, for_actions = jax.random.split(key, 3)
    arms = jax.random.uniform(for_arms, (episodes, ACTIONS))
    luck = jax.random.uniform(for_rewards, (TRIALS, episodes))
    choice = jax.random.uniform(for_actions, (TRIALS, episodes))
    one = jnp.ones((episodes, 1))

    def step(carry: Any, now: Any) -> Any:
        hidden, cell, x = carry
        luck_t, choice_t, t = now
        gates = x @ core[:INPUT_SIZE] + hidden @ core[INPUT_SIZE:-1] + core[-1]
        i, f, g, o = jnp.split(gates, 4, axis=1)
        g = 2 * jax.nn.sigmoid(2 * g) - 1  # faster than jnp.tanh
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * g
        hidden = jax.nn.sigmoid(o) * (2 * jax.nn.sigmoid(2 * cell) - 1)
        out = hidden @ heads[:-1] + heads[-1]
        logits = jax.lax.stop_gradient(out[:, :ACTIONS])
        second = choice_t > jax.nn.sigmoid(logits[:, 0] - logits[:, 1])
        action = jax.nn.one_hot(second.astype(jnp.int32), ACTIONS)
        reward = (luck_t < (arms * action).sum(1)).astype(jnp.float32)
        time = jnp.full((episodes, 1), (t + 1) / TRIALS)
        x = jnp.concatenate([one, action, reward[:, None], time], axis=1)
        return (hidden, cell, x), (out, action, reward)

    nothing = jnp.zeros((episodes, HIDDEN))
    first = jnp.zeros((episodes, INPUT_SIZE)).at[:, 0].set(1.0)
    noise = (luck, choice, jnp.arange(TRIALS, dtype=jnp.float32))
    _, (out, actions, rewards) = jax.lax.scan(step, (nothing, nothing, first), noise)

    # ADVANTAGES
    def accumulate(later: Any, reward: Any) -> Any:
        target = reward + DISCOUNT * later
        return target, target

    _, targets = jax.lax.scan(accumulate, jnp.zeros(episodes), rewards, reverse=True)
    log_probs, values = jax.nn.log_softmax(out[..., :ACTIONS]), out[..., ACTIONS]
    advantages = jax.lax.stop_gradient(targets - values)

    # LOSS
    policy_loss = -((log_probs * actions).sum(-1) * advantages).mean()
    value_loss = jnp.square(values - targets).mean()
    entropy = -(jnp.exp(log_probs) * log_probs).sum(-1).mean()
    return policy_loss + VALUE_COEF * value_loss - ENTROPY_COEF * entropy
