"""Findings on learning one thing after the other.

Rewards that change, replay, elastic weights, and agents that have learned to learn anew.
"""
