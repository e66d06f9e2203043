"""Models of the chooser: parameters in, log-probabilities of the next choice out."""
