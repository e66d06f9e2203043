"""Reference policies and exact optima: what trained agents are compared with.

`counting` and `memory` hold the policies, from random to Bayes-optimal; `play` plays them on given
bandits (`simulate`) or wherever a trained agent plays (`ReferenceAgent`). `bandit_optima` and
`search_optima` solve small problems exactly.
"""
