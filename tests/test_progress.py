"""Progress in a log: lines at the start and at every tenth; nothing where it is not wanted."""

import re
import sys
import types

import torch

from prefrontal.agents.training.loop import Progress
from prefrontal.experiments.settings import TrainingConfig
from prefrontal.progress import Reporter

TRAINING = TrainingConfig(members=3, total_steps=1000)


def lines(capsys, reports, shown=True, workers=2) -> list[str]:
    capsys.readouterr()
    with Reporter("a-task", TRAINING, workers, shown) as reporter:
        for steps, metrics in reports:
            reporter.report(Progress(steps, 1000, metrics))
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_lines_at_the_start_and_at_every_tenth(capsys):
    told = {"return": torch.tensor([1.0, 3.0, 2.0]), "entropy": torch.tensor([0.5] * 3)}
    said = lines(capsys, [(0, {}), *((5 * k, told) for k in range(1, 201))])
    assert said[0] == "a-task: 3 members, 1,000 steps each in 2 processes"
    assert re.fullmatch(r"a-task: about \d+ s", said[1])
    assert len(said) == 2 + 10
    for tenth, line in enumerate(said[2:-1], start=1):
        start = f"a-task: {10 * tenth} %, {100 * tenth:,} steps, return 2, entropy 0.5, "
        assert re.fullmatch(re.escape(start) + r"\d+ s left", line)
    assert said[-1] == "a-task: 100 %, 1,000 steps, return 2, entropy 0.5"


def test_a_run_that_goes_on_says_what_is_done(capsys):
    told = {"return": torch.tensor([1.0])}
    said = lines(capsys, [(500, {}), (505, told), (700, told), (1000, told)], workers=1)
    assert said[0] == "a-task: 3 members, 1,000 steps each, 500 of them done"
    assert [line.split(",")[0] for line in said[2:]] == ["a-task: 70 %", "a-task: 100 %"]


def test_a_run_of_one_report_says_its_end(capsys):
    said = lines(capsys, [(0, {}), (1000, {"return": torch.tensor([1.0])})])
    assert said[-1].startswith("a-task: 100 %, 1,000 steps")


def test_nothing_is_said_where_it_is_not_wanted(capsys):
    assert lines(capsys, [(0, {}), (1000, {"return": torch.tensor([1.0])})], shown=False) == []


def test_a_bar_is_for_the_kernel_of_a_notebook_not_for_who_imports_its_modules(monkeypatch, capsys):
    for shell, bar in ((types.SimpleNamespace(), False), (types.SimpleNamespace(kernel=0), True)):
        module = types.SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "ipykernel", module)
        monkeypatch.setitem(sys.modules, "IPython", module)
        with Reporter("a-task", TRAINING, 1, True) as reporter:
            assert (reporter.bar is not None) == bar
            assert reporter.lines != bar
    capsys.readouterr()
