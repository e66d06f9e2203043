"""Models of the chooser: parameters in, log-probabilities of the next choice out.

`find` gives a model by its name, `run` applies it to trials, `simulate` lets it choose.
"""
