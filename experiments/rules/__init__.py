"""Experiments on learning rules: which of them learn, how fast, and by what credit.

`miconi2017_dnms` repeats reward-modulated Hebbian learning of delayed non-match to sample.
"""
