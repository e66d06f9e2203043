"""Agents that adapt by gradient within an episode: MAML, first-order MAML and Reptile on bandits.

`config` has the settings, `policy` the logits and how they are updated and played, `learner` the
outer loop, and `population` the trained agents.
"""
