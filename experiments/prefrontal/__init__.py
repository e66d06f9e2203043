"""Findings of Wang et al. (2018) on prefrontal cortex and dopamine.

Foraging, Harlow's learning sets, inferred value, volatility, and the optogenetic experiment.
"""
