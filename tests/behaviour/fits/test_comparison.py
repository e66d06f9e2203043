"""Cross-validation: the same folds for all, nothing left out is seen, and errors of one line."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from prefrontal.behaviour.fits.comparison import compare, parts_of
from prefrontal.behaviour.fits.fitting import CognitiveFit
from prefrontal.behaviour.models.catalogue import find
from prefrontal.behaviour.table import Behaviour, behaviour


@dataclass
class Frequencies:
    """Scores every choice by how often its arm was chosen in training; keeps what it saw."""

    name: str = "frequencies"
    seen: list = field(default_factory=list)

    def fit(self, behaviour: Behaviour, seed: int = 0):
        self.seen.append(behaviour)
        counts = np.bincount(behaviour.choice[behaviour.scored], minlength=behaviour.arms)
        return Scored(self.name, np.log(counts / counts.sum()))


@dataclass
class Scored:
    name: str
    log_p: np.ndarray

    def score(self, behaviour: Behaviour):
        return np.where(behaviour.scored, self.log_p[behaviour.choice], np.nan)


def table(subjects=6, trials=12, sessions=3):
    rng = np.random.default_rng(0)
    choice = (rng.random((subjects, trials)) < 0.75).astype(int)
    session = np.broadcast_to(np.arange(trials) * sessions // trials, choice.shape).copy()
    return behaviour(choice, np.ones(choice.shape), session=session)


def test_subjects_that_are_scored_were_not_fitted():
    one, other, data = Frequencies(), Frequencies("again"), table()
    found = compare([one, other], data, "subjects", folds=3)
    assert [len(b) for b in one.seen] == [4, 4, 4]
    assert [b.subjects for b in one.seen] == [b.subjects for b in other.seen]
    left_out = [set(data.subjects) - set(b.subjects) for b in one.seen]
    assert set.union(*left_out) == set(data.subjects)
    # By hand: each subject's choices by the frequencies of the other four.
    part = parts_of(data, "subjects", 3)[:, 0]
    for s in range(6):
        p = data.choice[part != part[s]].mean()
        expected = np.log(np.where(data.choice[s] == 1, p, 1 - p)).sum()
        assert found.log_likelihood[s].tolist() == pytest.approx([expected] * 2)
    assert found.difference("again", "frequencies").value == 0
    assert found.choices.tolist() == [12] * 6


def test_sessions_that_are_left_out_stay_in_the_history():
    one, data = Frequencies(), table()
    found = compare([one], data, "sessions")
    assert found.folds == 3
    for fold, seen in enumerate(one.seen):
        assert np.array_equal(seen.scored, data.session != fold)
        assert seen.learned.all()
    assert np.isfinite(found.score).all()


def test_two_folds_of_sessions_are_the_odd_and_the_even():
    data = table(sessions=4)
    assert np.array_equal(parts_of(data, "sessions", 2), data.session % 2)


def test_chance_scores_one_half_and_the_table_is_plain():
    data = table()
    found = compare([CognitiveFit(find("random")), Frequencies()], data, folds=2)
    assert found.normalised_likelihood[:, 0] == pytest.approx([0.5] * 6)
    plain = found.to_plain()
    assert plain["best"] == "frequencies"
    assert plain["models"]["random"]["normalised_likelihood"] == pytest.approx(0.5)
    assert plain["models"]["random"]["nats_a_choice_above_best"]["high"] < 0
    assert plain["models"]["frequencies"]["nats_a_choice_above_best"]["value"] == 0
    assert sum(plain["bms"]["frequencies"].values()) == pytest.approx(1)
    assert plain["trials_scored"] == 72


def test_new_subjects_are_scored_by_the_population_of_cognitive_models():
    rng = np.random.default_rng(3)
    choice = (rng.random((6, 40)) < np.array([0.8, 0.8, 0.8, 0.8, 0.8, 0.2])[:, None]).astype(int)
    data = behaviour(choice, np.ones(choice.shape))
    found = compare([CognitiveFit(find("biased-random"), "pooled")], data, folds=6)
    p = choice[:5].mean()
    expected = np.log(np.where(choice[5] == 1, p, 1 - p)).sum()
    assert found.log_likelihood[5, 0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"by": "subjects", "folds": 9}, "9 folds for 6 subjects: take fewer folds"),
        ({"by": "sessions", "folds": 4}, r"4 folds for 3 sessions \(subject 0\): take fewer folds"),
        (
            {"by": "blocks"},
            r"2 folds for 1 block \(subject 0\): leave out sessions or subjects, --cv",
        ),
        ({"folds": 1}, "at least 2 folds"),
        ({"by": "runs"}, "one of sessions, blocks, subjects"),
    ],
)
def test_folds_that_cannot_be_are_one_line(options, words):
    with pytest.raises(ValueError, match=words) as error:
        compare([Frequencies()], table(), **options)
    assert "\n" not in str(error.value)


def test_what_a_table_allows_is_left_out():
    whole = table(sessions=1)
    blocks = replace(whole, block=table(sessions=2).session)
    for data, by in ((table(), "sessions"), (blocks, "blocks"), (whole, "subjects")):
        found = compare([Frequencies()], data, folds=2)
        assert found.by == found.to_plain()["left_out"] == by
    some = table()
    some.session[3] = 0  # one subject with a single session: sessions cannot be left out of all
    assert compare([Frequencies()], some).by == "subjects"
    with pytest.raises(ValueError, match="one subject, with one session and one block"):
        compare([Frequencies()], whole.select([0]))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="different names"):
        compare([Frequencies(), Frequencies()], table())
    silent = table().masked(np.arange(6)[:, None] + np.zeros((6, 12)) > 0)
    with pytest.raises(ValueError, match="no choice of subject 0 is scored"):
        compare([Frequencies()], silent)
    data = table()
    both = replace(data, state2=data.choice, choice2=data.choice, scored2=data.scored)
    second = Frequencies("both")
    second.explains = ("choice", "choice2")
    with pytest.raises(ValueError, match="both explains both choices"):
        compare([Frequencies(), second], both)


def test_a_score_that_is_missing_is_named():
    class Forgetful(Frequencies):
        def fit(self, behaviour, seed=0):
            fitted = super().fit(behaviour, seed)
            fitted.log_p = np.array([np.nan, 0.0])
            return fitted

    with pytest.raises(ValueError, match="forgetful gives no probability to a scored choice"):
        compare([Forgetful("forgetful")], table(), folds=2)
