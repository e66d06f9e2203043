"""Findings on cores.

What a recurrent network needs for a task: plastic weights, spikes, attention, modules that rest.
"""
