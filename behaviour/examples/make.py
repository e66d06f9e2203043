"""Write the examples: choices of simulated learners, in every format that is read."""

from __future__ import annotations

import csv
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrontal.behaviour.files.writing import write_hbayesdm, write_tidy
from prefrontal.behaviour.table import Behaviour, behaviour

FAMILIES = {
    "bandit2arm": (2, "signs"),
    "prl": (2, "signs"),
    "bandit4arm2": (4, "points"),
    "bandit4arm": (4, "gains"),
    "igt": (4, "gains"),
}


def learner(
    rng: np.random.Generator, chances: NDArray[np.float64], rate: float, beta: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return choices and rewards of a Rescorla-Wagner learner on arms of chances ``[T, K]``."""
    value = np.zeros(chances.shape[1])
    choice, reward = np.zeros(len(chances), np.int64), np.zeros(len(chances))
    for t, chance in enumerate(chances):
        weight = np.exp(beta * (value - value.max()))
        choice[t] = rng.choice(len(value), p=weight / weight.sum())
        reward[t] = rng.random() < chance[choice[t]]
        value[choice[t]] += rate * (reward[t] - value[choice[t]])
    return choice, reward


def reversing(trials: int, every: int, high: float = 0.8) -> NDArray[np.float64]:
    """Return chances of two arms ``[T, 2]`` that change places after so many trials."""
    first = (np.arange(trials) // every) % 2
    return np.where(first[:, None] == np.arange(2), 1 - high, high)


def bandit(seed: int, subjects: int = 4, trials: int = 40, arms: int = 2) -> Behaviour:
    """Return learners of a bandit with one good arm, which changes after half the trials."""
    rng = np.random.default_rng(seed)
    chances = np.full((trials, arms), 0.25)
    chances[: trials // 2, 0] = chances[trials // 2 :, -1] = 0.75
    played = [
        learner(rng, chances, rng.uniform(0.2, 0.7), rng.uniform(2, 6)) for _ in range(subjects)
    ]
    choice, reward = (np.stack(one) for one in zip(*played, strict=True))
    return behaviour(choice, reward, arms, [f"S{i + 1:02d}" for i in range(subjects)])


def two_step(seed: int, subjects: int = 4, trials: int = 60) -> Behaviour:
    """Return model-based learners of a two-step task with choices at both stages."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, NDArray[Any]] = {
        name: np.zeros((subjects, trials), np.int64) for name in ("choice", "state2", "choice2")
    }
    reward = np.zeros((subjects, trials))
    for s in range(subjects):
        value, chance = np.full((2, 2), 0.5), rng.uniform(0.25, 0.75, (2, 2))
        for t in range(trials):
            best = value.max(axis=1)
            up = 1 / (1 + np.exp(-5 * (0.4 * (best[1] - best[0]))))
            first = int(rng.random() < up)
            state = first if rng.random() < 0.7 else 1 - first
            second = int(rng.random() < 1 / (1 + np.exp(-4 * np.diff(value[state])[0])))
            paid = float(rng.random() < chance[state, second])
            value[state, second] += 0.5 * (paid - value[state, second])
            chance = np.clip(chance + rng.normal(0, 0.025, (2, 2)), 0.25, 0.75)
            arrays["choice"][s, t], arrays["state2"][s, t] = first, state
            arrays["choice2"][s, t], reward[s, t] = second, paid
    names = [f"S{i + 1:02d}" for i in range(subjects)]
    return behaviour(
        arrays.pop("choice"),
        reward,
        2,
        names,
        mapping=np.tile([0, 1], (subjects, 1)),
        common=0.7,
        **arrays,
    )


def write_all(folder: Path) -> None:
    """Write every example to a folder."""
    write_tidy(bandit(1), folder / "bandit.csv")
    write_tidy(two_step(2), folder / "two_step.tsv")
    for seed, (family, (arms, kind)) in enumerate(FAMILIES.items(), 10):
        table = bandit(seed, arms=arms)
        if kind == "points":
            table.reward[:] = np.round(50 * table.reward + 25)
        elif kind == "gains":
            table.reward[:] = np.where(table.reward > 0, 100.0, -50.0)
        write_hbayesdm(table, folder / "hbayesdm" / f"{family}.txt", family)
    write_hbayesdm(_blocks(20), folder / "hbayesdm" / "prl_multipleB.txt", "prl_multipleB")
    write_hbayesdm(two_step(21), folder / "hbayesdm" / "ts.txt", "ts_par7")
    _sides(folder / "sides.csv", two_step(3))
    _pilot(folder / "pilot.csv")
    _bids(folder / "bids", bandit(4))
    _psych_ds(folder / "psych-ds", bandit(5))
    _cbm(folder / "cbm")
    _nwb(folder / "nwb", bandit(8, subjects=2))


def _blocks(seed: int) -> Behaviour:
    """Return a bandit of two blocks, at each of which values start anew."""
    one = bandit(seed, subjects=3)
    block = np.tile(np.arange(one.trials) // 20, (3, 1))
    return behaviour(one.choice, one.reward, 2, one.subjects, block=block, resets="block")


def _table(path: Path, header: list[str], rows: list[list[Any]], delimiter: str = ",") -> None:
    """Write a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _sides(path: Path, table: Behaviour) -> None:
    """Write a two-step task with what was at the left and at the right, and the side chosen."""
    rng = np.random.default_rng(30)
    rows = []
    assert table.state2 is not None
    assert table.choice2 is not None
    for s, name in enumerate(table.subjects):
        for t in range(table.trials):
            left, left2 = rng.integers(2, size=2)
            choice, second = table.choice[s, t], table.choice2[s, t]
            common = int(table.state2[s, t] == choice)
            side, side2 = int(choice != left), int(second != left2)
            shown = [left, 1 - left, side, common, table.state2[s, t]]
            rows.append([name, *shown, left2, 1 - left2, side2, int(table.reward[s, t])])
    shown_at = ["left", "right", "choice", "transition", "state2", "left2", "right2", "choice2"]
    header = ["subject", *shown_at, "reward"]
    _table(path, header, rows)
    path.with_name("sides.columns.toml").write_text(
        '[task]\narms = 2\nchoice_is = "side"\ncommon = 0.7\n\n'
        '[sides]\nchoice = ["left", "right"]\nchoice2 = ["left2", "right2"]\n',
        encoding="utf-8",
    )


def _pilot(path: Path) -> None:
    """Write a table as an experiment left it: other names, practice, time-outs, who broke off."""
    rng = np.random.default_rng(40)
    rows: list[list[str]] = []
    for person in range(1, 25):
        rate, beta = rng.uniform(0.25, 0.75), rng.uniform(3, 7)
        for phase, block, trials in (("practice", 0, 6), ("test", 1, 60), ("test", 2, 60)):
            choice, reward = learner(rng, reversing(trials, 20), rate, beta)
            if person == 17:
                choice[:] = 0
            for t in range(15 if (person, block) == (9, 1) else trials):
                if (person, block) == (9, 2):
                    break
                late = phase == "test" and rng.random() < 0.03
                time = f"{rng.gamma(4, 160):.1f}".replace(".", ",")
                answer = "timeout" if late else ("blue", "orange")[choice[t]]
                points = "" if late else ("0", "+10")[int(reward[t])]
                start = [f"P{person:02d}", phase, str(block), str(t + 1)]
                rows.append([*start, answer, points, "" if late else time, ""])
    rows[40][-1] = "phone rang"
    header = ["Participant", "Phase", "Block", "TrialNr", "Response", "Points", "RT", "Comment"]
    _table(path, header, rows, ";")
    text = path.read_text(encoding="utf-8")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\n;;;;;;;\n")


def _bids(folder: Path, table: Behaviour) -> None:
    """Write a task in BIDS: a file of events for each subject and run."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"Name": "Simulated bandit", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (folder / "dataset_description.json").write_text(json.dumps(about, indent=1) + "\n")
    header = ["onset", "duration", "trial_type", "response_time", "choice", "reward"]
    for s, name in enumerate(table.subjects):
        rows: list[list[Any]] = []
        for t in range(table.trials):
            missed = t == 7
            made = ["n/a"] * 3 if missed else [0.5, table.choice[s, t], int(table.reward[s, t])]
            rows.append([3.0 * t, 1, "bandit", *made])
        stem = f"sub-{name}_task-bandit_run-1_events.tsv"
        _table(folder / f"sub-{name}" / "beh" / stem, header, rows, "\t")


def _psych_ds(folder: Path, table: Behaviour) -> None:
    """Write a Psych-DS dataset: a file for each subject, every column declared."""
    header = ["trial", "choice", "reward"]
    about = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": "Simulated bandit",
        "description": "Choices of simulated learners.",
        "variableMeasured": header,
    }
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "dataset_description.json").write_text(json.dumps(about, indent=1) + "\n")
    for s, name in enumerate(table.subjects):
        both = zip(table.choice[s], table.reward[s].astype(int), strict=True)
        rows = [[t + 1, choice, reward] for t, (choice, reward) in enumerate(both)]
        _table(folder / "data" / f"subject-{name}_data.csv", header, rows)


def _cbm(folder: Path) -> None:
    """Write cells of structs, as the toolbox cbm takes them."""
    from scipy.io import savemat

    folder.mkdir(parents=True, exist_ok=True)
    one, two = bandit(6), two_step(7)
    assert two.state2 is not None
    assert two.choice2 is not None
    structs: NDArray[Any] = np.empty((len(one), 1), object)
    for s in range(len(one)):
        outcome = np.where(one.reward[s] > 0, 1, -1)
        structs[s, 0] = {"actions": one.choice[s][:, None] + 1, "outcome": outcome[:, None]}
    savemat(folder / "bandit.mat", {"data": structs}, oned_as="column")
    structs = np.empty((len(two), 1), object)
    for s in range(len(two)):
        fields = {
            "choice1": two.choice[s] + 1,
            "transit": np.where(two.choice[s] == two.state2[s], 1, 2),
            "state2": two.state2[s] + 2,
            "choice2": two.choice2[s] + 1,
            "outcome": np.where(two.reward[s] > 0, 1, 2),
        }
        for value in fields.values():
            value[3] = 0  # missed
        structs[s, 0] = {name: value[:, None] for name, value in fields.items()}
    savemat(folder / "two_step.mat", {"data": structs}, oned_as="column")


def _nwb(folder: Path, table: Behaviour) -> None:
    """Write an NWB file for each subject, with a table of trials; needs pynwb."""
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.file import Subject

    folder.mkdir(parents=True, exist_ok=True)
    start = datetime(2024, 1, 1, tzinfo=timezone.utc)
    for s, name in enumerate(table.subjects):
        session = NWBFile("Simulated bandit", f"{name}-1", start, session_id="1")
        session.subject = Subject(subject_id=name, species="Mus musculus", age="P90D", sex="U")
        session.add_trial_column("choice", "chosen arm, from 0")
        session.add_trial_column("reward", "what was paid")
        for t in range(table.trials):
            session.add_trial(
                start_time=2.0 * t,
                stop_time=2.0 * t + 1,
                choice=int(table.choice[s, t]),
                reward=float(table.reward[s, t]),
            )
        with NWBHDF5IO(str(folder / f"{name}.nwb"), "w") as file:
            file.write(session, cache_spec=False)


if __name__ == "__main__":
    write_all(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
