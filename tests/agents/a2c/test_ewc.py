"""Elastic weight consolidation.

The Fisher information of known policies, and what the penalty does.
"""

import pytest
import torch

from prefrontal.agents import NetworkConfig
from prefrontal.agents.a2c.ewc import Consolidation, squared_scores
from tests.agents.helpers import a2c, learner, reference_heads


@pytest.mark.parametrize("core", ["lstm", "gru", "none", "relu"])
def test_squared_scores_are_those_of_every_episode(core):
    subject = learner(range(2), batch=3, network=NetworkConfig(core=core, hidden_size=6))
    trajectory = subject.rollout.collect()
    found = squared_scores(subject.model, trajectory)
    net, flat = subject.model.nets[0], subject.model.parameters.double()
    x = torch.stack(trajectory.tapes[0].x_t[: trajectory.steps]).double()
    for m in range(2):
        leaf = flat.clone().requires_grad_()
        heads, _ = reference_heads(net, leaf, x, m)
        chosen = heads[:, :-1].log_softmax(1)
        chosen = chosen.gather(1, trajectory.actions[:, m].unsqueeze(1)).squeeze(1)
        for b in range(3):
            (score,) = torch.autograd.grad(chosen[:, b].sum(), leaf, retain_graph=True)
            torch.testing.assert_close(
                found[m, b].double(), score[m].square(), rtol=1e-3, atol=1e-6
            )


def test_information_of_a_policy_that_is_known():
    """A policy that depends on its bias alone, p = (.7, .3).

    The information of a step about a bias is p (1 - p).
    """
    network = NetworkConfig(core="none", hidden_size=4)
    subject = learner(
        range(2), batch=32, trials=20, network=network, ewc_coef=1.0, ewc_episodes=2000
    )
    net = subject.model.nets[0]
    flat = torch.zeros_like(subject.model.parameters)
    net.plain.views(flat)["head.weight"][:, 0, -1] = torch.tensor(0.7 / 0.3).log()
    subject.model.set_parameters(flat)
    fisher = subject.consolidation.estimate(subject.rollout)
    weight, head = net.plain.views(fisher).values()
    torch.testing.assert_close(head[:, :2, -1], torch.full((2, 2), 0.21), rtol=0.1, atol=0)
    # hidden units are 0, and the read-outs of them too: nothing else matters
    assert weight.abs().max() == head[:, :, :-1].abs().max() == head[:, 2].abs().max() == 0


@pytest.mark.parametrize("online", [False, True])
def test_penalty_by_hand(online):
    config = a2c(ewc_coef=2.0, ewc_online=online, ewc_decay=0.5)
    model = learner(range(2)).model
    subject = Consolidation(config.ewc, model)
    n = model.parameters.shape[1]
    g = torch.Generator().manual_seed(0)
    anchors, fishers = torch.randn(2, 2, n, generator=g), torch.rand(2, 2, n, generator=g)
    for anchor, fisher in zip(anchors, fishers, strict=True):
        model.set_parameters(anchor)
        subject.consolidate(fisher)
    theta = torch.randn(2, n, generator=g)
    pairs = list(zip(fishers, anchors, strict=True))
    if online:
        pairs = [(0.5 * fishers[0] + fishers[1], anchors[1])]
    force = 2.0 * sum(f * (theta - a) for f, a in pairs)
    size = sum((f * (theta - a).square()).sum(1) for f, a in pairs)
    gradient = torch.ones(2, n)
    torch.testing.assert_close(subject.add_gradient(theta, gradient), size, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(gradient, 1 + force, rtol=1e-4, atol=1e-4)


def test_weights_that_matter_stay():
    """The stronger the penalty, the less the weights move in the directions that mattered."""
    moved = []
    for coef in (1e-9, 1e3):
        subject = learner(
            range(2), batch=8, trials=10, ewc_coef=coef, learning_rate=0.01, clip_norm=1e3
        )
        for _ in range(5):
            subject.update()
        subject.consolidation.end_stage(subject.rollout)
        anchor, fisher = subject.model.parameters, subject.consolidation.fisher
        for _ in range(20):
            metrics = subject.update()
        assert (metrics["ewc_penalty"] >= 0).all()
        moved.append((fisher * (subject.model.parameters - anchor).square()).sum(1))
    assert (moved[1] < 0.2 * moved[0]).all()
