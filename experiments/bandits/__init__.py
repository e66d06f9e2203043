"""Findings on bandits.

Independent, correlated, informative and restless arms, contexts, RL², and what the settings of
learning are good for.
"""
