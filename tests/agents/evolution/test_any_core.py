"""Evolution around learning with a core that a user wrote."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import torch
from torch import nn

from prefrontal import envs  # noqa: F401 (registers the ids)
from prefrontal.agents import load
from prefrontal.agents.base import Job
from prefrontal.agents.evolution.config import EvolutionConfig
from prefrontal.agents.evolution.learner import make_learner
from prefrontal.agents.networks.config import CORES, NetworkConfig, register_core
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.agents.training.loop import train


class HandGRU(nn.Module):
    """A gated recurrent unit (Cho et al. 2014)."""

    def __init__(self, inputs, units):
        super().__init__()
        self.units = units
        self.gates = nn.Linear(inputs + units, 2 * units)
        self.candidate = nn.Linear(inputs + units, units)

    def initial_state(self, batch):
        return (self.gates.bias.new_zeros(batch, self.units),)

    def forward(self, x, state):
        (h,) = state
        reset, update = self.gates(torch.cat([x, h], 1)).sigmoid().chunk(2, 1)
        proposed = self.candidate(torch.cat([x, reset * h], 1)).tanh()
        h = update * h + (1 - update) * proposed
        return h, (h,)


@pytest.fixture
def job():
    register_core("hand-gru", HandGRU)
    spec = EnvironmentSpec(
        "prefrontal/HarlowPairs-v0",
        ("reward", "action"),
        split="all",
        stages=({"trials": 3}, {"trials": 5}),
    )
    config = EvolutionConfig(
        individuals=8,
        offspring=5,
        remeasured=2,
        tasks=3,
        tournament=2,
        truncation=4,
        learning_updates=2,
        embedding_units=3,
        learning_rate=0.01,
    )
    network = NetworkConfig(core="hand-gru", hidden_size=4)
    yield Job(spec, network, config, 2, 1, 3 * (2 * 3 + 5) * (8 + 7 * 3), seed=5)
    del CORES["hand-gru"]


@pytest.mark.parametrize("embedding", [0, 3])
def test_it_evolves_is_saved_and_its_lives_are_lived_again(job, embedding, tmp_path):
    job = replace(job, algorithm=replace(job.algorithm, embedding_units=embedding))
    with RunFolder.create(tmp_path / "run", {}) as run:
        train(job, run)
        state, _ = run.load()
    champions = load(tmp_path / "run")
    assert champions.network == replace(job.network, embedding_size=embedding)
    assert torch.equal(champions.model.parameters, state["champion"][:, :-4])
    assert champions[0].predict(torch.zeros(5).numpy())[0] in (0, 1)
    # Lives of the loaded champions are those of the learner that made them, and change weights.
    learner = make_learner(job, range(2))
    learner.set_state(state)
    lives = [
        lifetimes.live(champions.genomes, champions.hyper, [1, 2], keep_weights=True)
        for lifetimes in (champions.lifetimes(), pickle.loads(pickle.dumps(learner.lifetimes)))
    ]
    assert lives[0].correct.shape == (2, 2 * 3 + 5)
    assert torch.equal(lives[0].weights, lives[1].weights)
    assert torch.equal(lives[0].score, lives[1].score)
    changed = (lives[0].weights - champions.genomes).abs().amax(1)
    assert bool((changed > 1e-3).all())


def test_it_resumes_exactly_and_initial_weights_follow_the_seed(job):
    straight, first, resumed = (make_learner(job, range(2)) for _ in range(3))
    assert torch.equal(straight.state()["genomes"], first.state()["genomes"])
    assert not torch.equal(straight.state()["genomes"][0], first.state()["genomes"][1])
    straight.update(), first.update()
    resumed.set_state(first.state())
    straight.update(), resumed.update()
    for name, value in straight.state().items():
        again = resumed.state()[name]
        assert torch.equal(value.double().nan_to_num(-1), again.double().nan_to_num(-1)), name


def test_gradients_of_a_life_are_those_of_the_module_alone(job):
    """One update by hand: the core as PyTorch calls it, without `torch.func`."""
    job = replace(job, algorithm=replace(job.algorithm, learning_updates=1, embedding_units=0))
    lifetimes = make_learner(job, [0]).lifetimes
    weights = lifetimes.net.initial(1, torch.Generator().manual_seed(3))
    hyper = torch.tensor([[0.01, 0.9, 0.4, 0.01]])
    learned = lifetimes.live(weights, hyper, [7], keep_weights=True).weights
    net = lifetimes.net.plain.module
    nn.utils.vector_to_parameters(weights[0].clone(), net.parameters())
    life, _ = lifetimes._draw([7], "all", True)
    rows, task, state, chosen = life.rows(0, 1), lifetimes.task, net.initial_state(1), []
    hidden, observation = task.reset(rows.params)
    x = torch.cat([observation.view(1, -1), torch.zeros(1, 3)], 1)
    for t in range(3):
        outputs, _, state = net(x, state)
        log_probs = outputs[0, :2].log_softmax(0)
        action = (rows.uniform[t] >= log_probs.exp()[0]).long()
        hidden, observation, reward = task.step(rows.params, hidden, action, rows.noise[t])
        entropy = -(log_probs.exp() * log_probs).sum()
        chosen.append((log_probs[action][0], outputs[0, 2], reward[0], entropy))
        x = torch.cat([observation.view(1, -1), reward.view(1, 1), torch.eye(2)[action]], 1)
    loss, total = 0.0, 0.0
    for log_prob, value, reward, entropy in reversed(chosen):
        total = reward + 0.9 * total
        advantage = total - value
        loss = loss - log_prob * advantage.detach() + 0.4 * advantage.square() - 0.01 * entropy
    optimiser = torch.optim.RMSprop(net.parameters(), lr=0.01, alpha=0.99, eps=1e-5)
    (loss / 3).backward()
    optimiser.step()
    by_hand = nn.utils.parameters_to_vector(net.parameters())
    torch.testing.assert_close(learned[0], by_hand.detach(), rtol=1e-4, atol=1e-5)


def test_champions_are_saved_with_their_genes(tmp_path):
    shipped = load("pretrained/course-baldwin-harlow", "baldwin")
    shipped.save(tmp_path)
    again = load(tmp_path)
    for mine, theirs in ((again.genomes, shipped.genomes), (again.hyper, shipped.hyper)):
        assert torch.equal(mine, theirs)
    assert again.lifetime == shipped.lifetime
