"""Findings on cores.

Fast substrates other than an LSTM: plastic weights, spikes, attention, modules that rest.
"""
