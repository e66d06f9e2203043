"""Findings on fast substrates.

Spikes, plastic weights, attention and modules in place of an LSTM.
"""
