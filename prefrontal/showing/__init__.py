"""Show runs: a report to open in a browser, several runs side by side, an episode as a film.

``runs`` opens run folders, ``comparing`` is `prefrontal compare` of agents, ``report`` writes the
page (its parts in ``page/``), ``film`` is `prefrontal play`.
"""
