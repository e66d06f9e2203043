"""Recurrent Q-learning with replayed sequences (R2D2): settings, learner, buffer, targets, agents.

Its agents act greedily and learn on as Q-learners (`population`).
"""
