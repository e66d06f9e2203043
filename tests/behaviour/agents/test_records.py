"""An agent's record and a file are the same table: probes say the same of both."""

import numpy as np

from prefrontal.analysis.choice.two_step import stay_counts, trials_of
from prefrontal.behaviour.agents.records import of_record
from prefrontal.behaviour.files import read_tidy, write_tidy
from prefrontal.behaviour.probes import two_step_trials


def test_probes_say_the_same_of_a_record_its_table_and_its_file(tmp_path):
    rng = np.random.default_rng(0)
    shape, steps = (2, 3, 20), (2, 3, 40)  # members, episodes, trials of two steps
    first, common = rng.integers(2, size=shape), rng.integers(2, size=shape)
    second = np.where(common == 1, first, 1 - first)
    paid = rng.integers(2, size=shape).astype(float)
    record = {
        "action": np.stack([first, rng.integers(2, size=shape)], -1).reshape(steps),
        "reward": np.stack([np.zeros(shape), paid], -1).reshape(steps),
        "first_action": np.repeat(first, 2, axis=-1),
        "second_state": np.repeat(second, 2, axis=-1),
        "common": np.repeat(common, 2, axis=-1),
        "stage": np.broadcast_to([0, 1], (*shape, 2)).reshape(steps),
        "trial": np.broadcast_to(np.repeat(np.arange(20), 2), steps),
    }
    expected = stay_counts(trials_of(record))
    table = of_record(record, mapping=(0, 1))
    for made in (table, read_tidy(write_tidy(table, tmp_path / "agents.csv"))):
        for one, other in zip(stay_counts(two_step_trials(made)), expected, strict=True):
            np.testing.assert_array_equal(one, other)
    assert table.subjects == ("member 0", "member 1")
    assert table.starts.sum() == 6
