"""Cognitive models, networks and agents are compared alike: same folds, same trials."""

import warnings

import numpy as np

from prefrontal.agents import EnvironmentSpec, NetworkConfig, Population
from prefrontal.behaviour.agents.read_out import AgentModel
from prefrontal.behaviour.fits.comparison import compare
from prefrontal.behaviour.fits.fitting import CognitiveFit
from prefrontal.behaviour.models.catalogue import find
from prefrontal.behaviour.networks.recurrent import Recurrent
from prefrontal.behaviour.table import behaviour


def test_all_that_can_be_fitted_is_scored_on_the_same_choices():
    rng = np.random.default_rng(0)
    choice = rng.integers(0, 2, (6, 20))
    choice[0, 3] = -1  # missed
    reward = np.where(choice < 0, np.nan, rng.random((6, 20)) < 0.5)
    session = np.broadcast_to(np.arange(20) // 10, (6, 20))
    table = behaviour(choice, reward, 2, session=session, block=session)
    spec = EnvironmentSpec("prefrontal/TwoArmedBandit-v0", ("action", "reward"), {"trials": 10})
    agent = Population.create(spec, NetworkConfig("gru", hidden_size=3), members=1)[0]
    all_kinds = [
        CognitiveFit(find("wsls"), "ml"),
        Recurrent("gru", 1, seeds=1, passes=4),
        AgentModel(agent, "agent", "raw"),
        AgentModel(agent, "read out"),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for by in ("subjects", "sessions"):
            found = compare(all_kinds, table, by=by, folds=2)
            assert found.names == ("wsls", "gru:1", "agent", "read out")
            assert (np.isfinite(found.score) == table.scored).all()
