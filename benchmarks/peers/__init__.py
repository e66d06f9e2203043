"""What is compared: one module per library or style, each with the same one function.

    play(members, num_envs, **options) -> Iterator[int]

`play` is an endless generator. Every turn it plays whole episodes, makes one optimiser step from
them (per member) and yields how many environment steps that took. Setting up happens before the
first yield. The work is the same everywhere: the two-armed bandit of 100 trials, an agent with 48
LSTM units (unless it has no memory), and as inputs a constant, the previous action, the previous
reward and the time. Modules import their library when `play` runs, so that one may be absent.
"""
