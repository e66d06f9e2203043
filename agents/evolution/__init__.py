"""Evolution around learning (the Baldwin effect): fitness is what a life of learning achieves.

`config` holds all settings. `genome` says what is inherited and how it varies, `lifetimes` plays
whole lives of learning (with the network of `lifetime_net` on the episodes of `lifetime_episodes`),
`learner` is the genetic algorithm and `population` what it leaves: champions that can be played,
saved and made to live again. `published` is the algorithm of the NeuroAI course with its defects,
and `hinton_nowlan` the simulation of 1987, which has no network at all.
"""
