"""Findings on fast substrates.

Spikes, plastic weights, attention and modules in place of an LSTM.
"""Findings on cores.

What a recurrent network needs for a task: plastic weights, spikes, attention, modules that rest.
"""
