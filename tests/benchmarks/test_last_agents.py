"""Agents at the end of training beside the best ones, in `benchmarks.last_agents`."""

from pathlib import Path

import pytest
import torch

from benchmarks.last_agents import Config, main
from benchmarks.measure import command as start
from prefrontal import command
from prefrontal.agents.registry import read_agents
from prefrontal.agents.td3.population import ContinuousPopulation

ROOT = Path(__file__).parents[2]
TINY = (
    "zhang2024-modularity --condition modular --members 2 --workers 1 --scale .03 --num-envs 2 "
    "--total-steps 700 --learning-starts 2 --first-phase-trials 2 --validation-trials 2 "
    "--validation-every 2 --no-progress --out run"
)


def test_the_last_agents_are_measured_beside_the_best(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.train(TINY.split()) == 0
    arrays, _ = read_agents(Path("run/modular"))
    last = torch.cat([arrays["nets.actor"], arrays["nets.critics"]], 1)
    assert last.shape == arrays["weights"].shape
    assert not torch.equal(last, arrays["weights"])
    capsys.readouterr()
    recorded = []
    record = ContinuousPopulation.record
    monkeypatch.setattr(
        ContinuousPopulation,
        "record",
        lambda self, *given, **named: (
            recorded.append(self.weights) or record(self, *given, **named)
        ),
    )
    main(Config(Path("run"), episodes=30))
    table = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in table[2:]] == [["| modular", "best"], ["| modular", "last"]]
    assert all(0 <= float(row[2].split()[0]) <= 1 for row in table[2:])
    assert torch.equal(recorded[0], arrays["weights"])
    assert torch.equal(recorded[-1], last)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([str(ROOT / "pretrained/zhang2024-modularity")], "holds no networks that training would"),
        (["nowhere"], "cannot read nowhere/config.toml"),
        ([str(ROOT / "tests")], "cannot read"),
        (["nowhere", "--episodes", "20"], "episodes must be more than 20, not 20"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(words, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["last_agents", *words])
    with pytest.raises(SystemExit) as end:
        start(main, Config, None)
    told = capsys.readouterr()
    assert (end.value.code, told.out) == (2, "")
    assert said in told.err
    assert told.err.count("\n") == 1
