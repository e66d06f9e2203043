"""Recurrent Q-learning from replayed sequences (R2D2, Kapturowski et al. 2019).

Its settings, the learner, its replay and targets, and agents that act greedily.
"""
