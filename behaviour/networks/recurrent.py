"""Small recurrent networks as models of the chooser (Ji-An, Benna & Mattar 2025; Dezfouli 2019).

A network is shown what a subject chose and got, trial by trial, and learns to tell the next choice
by maximum likelihood. It has any core of the suite's; the seeds of a fit are members that train
side by side. Part of the training data is held out: it says when a seed stops, and which is best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from prefrontal.agents.common.optim import Optimiser, clip_by_norm
from prefrontal.agents.common.seeding import generator
from prefrontal.agents.networks.config import CORES, NetworkConfig
from prefrontal.agents.networks.vectorised import Affine, Net, Vectorised
from prefrontal.behaviour.networks.sequences import (
    Sequences,
    Shape,
    Targets,
    inner_fold,
    masked_sum,
    targets,
)
from prefrontal.behaviour.table import Behaviour, Floats
from prefrontal.checking import check, option

CLIP = 1.0  # largest norm of a gradient
CHECK = 4  # passes through the data between two looks at what is held out
GAIN = 1e-4  # nats a choice below which a seed is not getting better
SPREAD = 0.1  # of initial embeddings of subjects


@dataclass(frozen=True)
class Recurrent:
    """A recurrent network to be fitted: a fittable, as cognitive models with a method are."""

    #: Which choices it explains, where a table has them.
    explains: ClassVar[tuple[str, ...]] = ("choice", "choice2")

    core: str = option("gru", "Core, by its name in `prefrontal list cores`.")
    units: int = option(2, "Units.", least=1)
    seeds: int = option(
        5, "Networks trained side by side; the best on held-out data counts.", least=1
    )
    embedding: int = option(
        0,
        "Numbers learned of each subject and shown at every step; 0: one network for all.",
        least=0,
    )
    passes: int = option(400, "Passes through the data at most.", least=1)
    patience: int = option(
        40,
        "Passes in which no seed predicts better what is held out, before training stops.",
        least=1,
    )
    learning_rate: float = option(0.03, "Step size of Adam.", above=0)
    batch: int = option(256, "Sequences in an update.", least=1)
    held_out: float = option(
        0.2, "Share of the training data that says when to stop.", above=0, below=1
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check(self)
        NetworkConfig(core=self.core)

    @classmethod
    def named(cls, name: str, **settings: object) -> Recurrent:
        """Return a network by its name ``CORE:UNITS``, such as ``gru:2``.

        Raises:
            ValueError: It is no such name.
        """
        core, _, units = name.rpartition(":")
        if core not in CORES or not units.isdecimal() or not int(units):
            known = ", ".join(CORES)
            raise ValueError(
                f"a network is named CORE:UNITS, such as gru:2, not {name!r:.80}; cores are {known}"
            )
        return cls(core, int(units), **settings)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """Its name, ``CORE:UNITS``, with ``+subject`` where subjects have an embedding."""
        return f"{self.core}:{self.units}" + "+subject" * bool(self.embedding)

    def fit(self, behaviour: Behaviour, seed: int = 0) -> FittedRecurrent:
        """Train on the scored choices of a table.

        Raises:
            ValueError: Nothing in the table is scored or learned from.
        """
        return _Training(self, behaviour, seed).run()


@dataclass(frozen=True)
class FittedRecurrent:
    """Fitted networks; what is asked of them is said by the best.

    Attributes:
        settings: As what they were fitted.
        shape: Sizes and scale of the task.
        subjects: Whom they were fitted to.
        weights: Parameters ``[P, n]`` of the P seeds.
        embeddings: Of each seed and subject, ``[P, S, E]``.
        held_out: Mean log-likelihood of the choices that were held out, ``[P]``.
        passes: Passes through the data until each was at its best ``[P]``.
    """

    settings: Recurrent
    shape: Shape
    subjects: tuple[str, ...]
    weights: Tensor
    embeddings: Tensor
    held_out: Floats
    passes: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of what was fitted."""
        return self.settings.name

    @property
    def best(self) -> int:
        """Which seed has the best likelihood of what was held out."""
        return int(np.argmax(self.held_out))

    def score(self, behaviour: Behaviour) -> Floats:
        """Return log-probabilities of the scored choices ``[S, T]``, both stages together.

        Subjects that are not known have the mean of the embeddings. NaN where nothing is scored.

        Raises:
            ValueError: The table is of another task.
        """
        return self.score_members(behaviour)[self.best]

    def score_members(self, behaviour: Behaviour) -> Floats:
        """Return those of every seed, ``[P, S, T]``; see `score`."""
        self.shape.require(behaviour)
        sequences = Sequences.of(behaviour, self.shape)
        logits = self._unrolled(behaviour, sequences)
        found = [
            (one, one.log_likelihood(logits).double().numpy())
            for one in targets(behaviour, self.shape, sequences)
        ]
        return np.stack(
            [
                masked_sum([(one, values[p]) for one, values in found], behaviour.choice.shape)
                for p in range(len(self.weights))
            ]
        )

    def hidden(self, behaviour: Behaviour) -> Floats:
        """Return the best network's features before each choice, ``[S, T, H]``; NaN: padding.

        Raises:
            ValueError: The table is of another task.
        """
        self.shape.require(behaviour)
        sequences = Sequences.of(behaviour, self.shape)
        features = self._unrolled(behaviour, sequences, read_out=False)[:, self.best]
        there = sequences.sequence >= 0
        found = np.full((*there.shape, features.shape[-1]), np.nan)
        found[there] = features[sequences.step[there], sequences.sequence[there]].numpy()
        return found

    def policy(self, behaviour: Behaviour) -> Floats:
        """Return the best network's probabilities of the first choices, ``[S, T, K]``.

        NaN: padding, and arms are not masked by what is available.

        Raises:
            ValueError: The table is of another task.
        """
        self.shape.require(behaviour)
        sequences = Sequences.of(behaviour, self.shape)
        logits = self._unrolled(behaviour, sequences)[:, self.best, :, : self.shape.arms]
        there = sequences.sequence >= 0
        found = np.full((*there.shape, self.shape.arms), np.nan)
        shown = logits[sequences.step[there], sequences.sequence[there]]
        found[there] = shown.double().softmax(-1).numpy()
        return found

    @torch.no_grad()
    def _unrolled(
        self, behaviour: Behaviour, sequences: Sequences, read_out: bool = True
    ) -> Tensor:
        """Return logits ``[L, P, N, O]``, or features in their place."""
        known = {name: index for index, name in enumerate(self.subjects)}
        place = [known.get(name, len(known)) for name in behaviour.subjects]
        each = torch.cat([self.embeddings, self.embeddings.mean(1, keepdim=True)], 1)[:, place]
        net = Vectorised(_net(self.settings, self.shape, read_out))
        shown = shown_with(sequences.inputs, each[:, sequences.subject])
        return net.unroll(net.views(self.weights), shown, None)


class _Training:
    """One fit: networks, data in batches, and the best weights so far."""

    def __init__(self, settings: Recurrent, behaviour: Behaviour, seed: int) -> None:
        self.settings, self.behaviour, self.seed = settings, behaviour, seed
        self.shape = Shape.of(behaviour)
        self.sequences = Sequences.of(behaviour, self.shape)
        every = targets(behaviour, self.shape, self.sequences)
        if not sum(len(one.step) for one in every):
            raise ValueError("no choice is scored: there is nothing to fit a network to")
        fold = inner_fold(behaviour, settings.held_out, seed, bool(settings.embedding))
        aside = [fold[tuple(one.trial)] for one in every]
        self.learned = [one.part(~held) for one, held in zip(every, aside, strict=True)]
        self.judged = [one.part(held) for one, held in zip(every, aside, strict=True)]
        if not all(sum(len(one.step) for one in part) for part in (self.learned, self.judged)):
            raise ValueError("there are too few scored choices to hold some out of training")
        self.net = Vectorised(_net(settings, self.shape))
        streams = [generator(seed, member, "weights") for member in range(settings.seeds)]
        self.weights = torch.stack([self.net.initial(one) for one in streams])
        size = settings.seeds, len(behaviour), settings.embedding
        self.embeddings = SPREAD * torch.stack(
            [torch.randn(size[1:], generator=stream) for stream in streams]
        )

    def run(self) -> FittedRecurrent:
        """Train until no seed gets better any more."""
        settings, members = self.settings, self.settings.seeds
        flat = torch.cat([self.weights, self.embeddings.flatten(1)], 1)
        optimiser = Optimiser(flat, "adam", 1e-8)
        best, held = flat.clone(), torch.full((members,), -torch.inf)
        mark, last = held.clone(), 0  # what the seeds have to beat, and when one did
        at = torch.zeros(members, dtype=torch.int64)
        draw = np.random.default_rng(self.seed)
        trained = torch.cat([one.sequence for one in self.learned]).unique().numpy()
        for done in range(0, settings.passes, CHECK):
            for _ in range(CHECK):
                order = draw.permutation(trained)
                for start in range(0, len(order), settings.batch):
                    gradient = self._gradient(flat, order[start : start + settings.batch])
                    clip_by_norm(gradient, CLIP)
                    optimiser.step(flat, gradient, settings.learning_rate)
            now = self._judge(flat)
            better = now > held
            held, at = torch.where(better, now, held), torch.where(better, done + CHECK, at)
            best[better] = flat[better]
            gained = now > mark + GAIN
            mark = torch.where(gained, now, mark)
            last = done + CHECK if bool(gained.any()) else last
            if done + CHECK - last >= settings.patience:
                break
        weights, embeddings = self._parts(best)
        return FittedRecurrent(
            settings,
            self.shape,
            self.behaviour.subjects,
            weights.clone(),
            embeddings.clone(),
            held.double().numpy(),
            tuple(at.tolist()),
        )

    def _parts(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        weights, each = flat[:, : self.net.size], flat[:, self.net.size :]
        return weights, each.unflatten(1, self.embeddings.shape[1:])

    def _likelihood(self, flat: Tensor, parts: list[Targets], chosen: np.ndarray) -> Tensor:
        """Return the mean log-likelihood ``[P]`` of the choices in some sequences."""
        weights, embeddings = self._parts(flat)
        index = torch.from_numpy(chosen)
        shown = self.sequences.inputs[:, index]
        subject = self.sequences.subject[index]
        shown = shown_with(shown, embeddings[:, subject])
        number = torch.full((len(self.sequences.subject),), -1)
        number[index] = torch.arange(len(index))
        logits = self.net.unroll(self.net.views(weights), shown, None)
        total, count = torch.zeros(len(flat)), 0
        for one in parts:
            place = number[one.sequence]
            kept = one.part(place >= 0)
            total = total + kept.log_likelihood(logits, place[place >= 0]).sum(1)
            count += len(kept.step)
        return total / count

    def _gradient(self, flat: Tensor, chosen: np.ndarray) -> Tensor:
        """Return the gradient of the loss, ``[P, n]``."""
        leaf = flat.detach().requires_grad_()
        loss = -self._likelihood(leaf, self.learned, chosen).sum()
        (gradient,) = torch.autograd.grad(loss, leaf)
        return gradient

    @torch.no_grad()
    def _judge(self, flat: Tensor) -> Tensor:
        chosen = torch.cat([one.sequence for one in self.judged]).unique().numpy()
        return self._likelihood(flat, self.judged, chosen)


def shown_with(inputs: Tensor, embeddings: Tensor) -> Tensor:
    """Return inputs ``[L, N, I]`` with embeddings ``[P, N, E]`` beside, ``[L, P, N, I + E]``."""
    each = inputs[:, None].expand(-1, len(embeddings), -1, -1)
    if not embeddings.shape[-1]:
        return each
    return torch.cat([each, embeddings.expand(len(inputs), -1, -1, -1)], -1)


class _Features(Affine):
    """In place of a read-out: none."""

    def __init__(self, inner: Affine) -> None:
        torch.nn.Module.__init__(self)
        self.weight = inner.weight  # its place among the parameters

    def forward(self, x: Tensor) -> Tensor:
        return x


def _net(settings: Recurrent, shape: Shape, read_out: bool = True) -> Net:
    config = NetworkConfig(core=settings.core, hidden_size=settings.units)
    net = Net(shape.inputs + settings.embedding, shape.outputs, config)
    if not read_out:
        net.head = _Features(net.head)
    return net
