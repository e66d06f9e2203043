"""Recurrent advantage actor-critic (Wang et al. 2018), the default learner.

Its settings, the learner, and what only it needs: replay of kept episodes, elastic weight
consolidation, and the learner of the NeuroAI course.
"""
