"""PPO with an LSTM in the style of CleanRL (own code): collect with NumPy environments, learn.

As in CleanRL, the states of the network are masked with `done` step by step, also in the pass that
learns; one epoch, one batch.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    vector_env,
)


def play(members: int, num_envs: int, clip_ratio: float = 0.2) -> Iterator[int]:
    """Train one agent; see `benchmarks.peers`.

    Raises:
        ValueError: If `members` is not 1.
    """
    if members != 1:
        raise ValueError(f"this loop trains one agent at a time, not {members}")
    import torch
    from torch import nn
    from torch.distributions import Categorical

    torch.manual_seed(0)
    envs = vector_env(num_envs)
    lstm, actor, critic = (
        nn.LSTM(INPUT_SIZE, HIDDEN),
        nn.Linear(HIDDEN, ACTIONS),
        nn.Linear(HIDDEN, 1),
    )
    parameters = [*lstm.parameters(), *actor.parameters(), *critic.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE, eps=1e-5)

    observations = torch.zeros(TRIALS, num_envs, INPUT_SIZE)
    actions = torch.zeros(TRIALS, num_envs, dtype=torch.int64)
    log_probs, rewards, dones, values = (torch.zeros(TRIALS, num_envs) for _ in range(4))

    def unroll(inputs, state, done):  # type: ignore[no-untyped-def]
        """Run the LSTM over ``[T, N, I]``, its state masked where an episode starts."""
        hidden = []
        for x, d in zip(inputs, done, strict=True):
            keep = (1.0 - d).view(1, -1, 1)
            out, state = lstm(x.unsqueeze(0), (keep * state[0], keep * state[1]))
            hidden.append(out)
        return torch.cat(hidden), state

    next_obs = torch.from_numpy(envs.reset(seed=0)[0])
    next_done = torch.zeros(num_envs)
    state = (torch.zeros(1, num_envs, HIDDEN), torch.zeros(1, num_envs, HIDDEN))
    while True:
        # COLLECT
        initial = (state[0].clone(), state[1].clone())
        for t in range(TRIALS):
            observations[t], dones[t] = next_obs, next_done
            with torch.no_grad():
                hidden, state = unroll(next_obs.unsqueeze(0), state, next_done.unsqueeze(0))
                policy = Categorical(logits=actor(hidden[0]))
                actions[t] = policy.sample()
                log_probs[t], values[t] = policy.log_prob(actions[t]), critic(hidden[0]).flatten()
            obs, reward, terminated, truncated, _ = envs.step(actions[t].numpy())
            rewards[t] = torch.from_numpy(reward)
            next_obs = torch.from_numpy(obs)
            next_done = torch.from_numpy(terminated | truncated).float()

        # ADVANTAGES: to the end of the episode, which is the end of the rollout
        advantages, last = torch.zeros_like(rewards), torch.zeros(num_envs)
        next_value = torch.zeros(num_envs)
        for t in reversed(range(TRIALS)):
            last = rewards[t] + DISCOUNT * (next_value + last) - values[t]
            advantages[t], next_value = last, values[t]
        returns = advantages + values
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)

        # UPDATE
        hidden, _ = unroll(observations, initial, dones)
        policy = Categorical(logits=actor(hidden))
        ratio = (policy.log_prob(actions) - log_probs).exp()
        clipped = ratio.clamp(1 - clip_ratio, 1 + clip_ratio)
        policy_loss = torch.max(-advantages * ratio, -advantages * clipped).mean()
        value_loss = (critic(hidden).squeeze(2) - returns).square().mean()
        loss = policy_loss + VALUE_COEF * value_loss - ENTROPY_COEF * policy.entropy().mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
        optimiser.step()
        yield TRIALS * num_envs
