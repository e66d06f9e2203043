"""Agents meet environments: specifications, vector environments, and the episodes played in them.

`spec` says which environment and what of it an agent is shown (data, no PyTorch); `environments`
makes it, of any Gymnasium id, for all members at once and for every stage of a run. Environments
that are not ours are wrapped: `meta_inputs` one at a time, `episodes` many: `rows` of this
process, `workers` with rows of their own, or `vectors` of others. `flat`, `action_spaces` and
`limits` are what they share. `rollout` plays whole episodes and records them, `predicting` acts one
step at a time, as Stable-Baselines3's `predict` does, and `blame` says in one line what an
environment did wrong.
"""
