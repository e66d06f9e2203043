"""Networks of a population.

What a core is, cores in plain PyTorch, the compiled LSTM behind the same methods, and actor-critics
made of them.
"""
