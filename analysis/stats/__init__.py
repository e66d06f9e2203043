"""Statistics that all measures share.

Means under masks (``means``), intervals over members (``intervals``), contrasts of independent
groups of members (``contrasts``), regressions whose errors are right for episodes (``regression``),
and the finding, one measured number beside what it is held against (``findings``). The unit of
replication is the member, never the episode.
"""
