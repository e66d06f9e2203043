"""The experiment of Hinton & Nowlan from the command line: findings and figures."""

import json

from prefrontal import command


def test_trains_and_measures(tmp_path, capsys):
    out = tmp_path / "run"
    words = ["hinton-nowlan-1987", "--members", "2", "--individuals", "100", "--genes", "5"]
    words += ["--total-steps", "2200", "--seed", "1", "--workers", "1", "--no-progress"]
    assert command.train([*words, "--out", str(out)]) == 0
    # Short strings are found without learning too: the finding is not reproduced.
    assert command.evaluate([str(out), "--json"]) == 1
    metrics = json.loads((out / "evaluation" / "metrics.json").read_text())
    assert metrics["conclusion"].startswith("finding not reproduced: ")
    names = [finding["name"] for finding in metrics["findings"]]
    assert "undecided alleles, generation 20" in names
    assert len([name for name in names if "perfect genotype" in name]) == 3
    assert sorted(p.name for p in (out / "evaluation").glob("*.png")) == [
        "allele_frequencies.png",
        "fitness.png",
    ]
