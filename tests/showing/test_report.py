"""Reports as files: what they hold is what was recorded, and nothing in it is markup."""

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import prefrontal as pf
from prefrontal import command
from prefrontal.agents.common.errors import ConfigError
from prefrontal.showing import packing
from prefrontal.showing.agents_data import _curves, read_record
from prefrontal.showing.report import page
from tests.front import refused

TYPES = {
    "Int8": "i1",
    "Int16": "<i2",
    "Int32": "<i4",
    "Uint8": "u1",
    "Float32": "<f4",
    "Float64": "<f8",
}


def unpacked(stored: dict) -> np.ndarray:
    raw = base64.b64decode(stored["data"])
    return np.frombuffer(raw, TYPES[stored["type"]]).reshape(stored["shape"])


class Scripts(HTMLParser):
    """The scripts of a page, and attributes that lead elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.links: list[str] = []
        self.open = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open = tag == "script"
        if self.open:
            self.scripts.append("")
        self.links += [value for name, value in attrs if name in ("src", "href", "action")]

    def handle_endtag(self, tag):
        self.open = False

    def handle_data(self, data):
        if self.open:
            self.scripts[-1] += data


def data_of(path: Path) -> dict:
    return json.loads(Scripts(path.read_text(encoding="utf-8")).scripts[0])


@pytest.fixture(scope="module")
def evaluated(runs, tmp_path_factory) -> Path:
    """A run with an evaluation; do not write there."""
    run = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(runs["lstm"], run)
    pf.evaluate(run, episodes=20, record=4, figures=False)
    return run


def test_a_report_holds_the_recorded_numbers(evaluated, tmp_path):
    path = pf.report(evaluated, out=tmp_path / "r.html", episodes=2)
    (run,) = data_of(path)["runs"]
    with np.load(evaluated / "evaluation" / "record.npz") as record:
        (player,) = run["players"]
        for name in ("action", "reward", "policy", "value", "rpe", "observation", "optimal_action"):
            np.testing.assert_array_equal(unpacked(player["arrays"][name]), record[name][:, :2])
        hidden = record["hidden"]
    pc, shares = unpacked(player["arrays"]["pc"]), np.array(player["shares"])
    # Components turn states: distances stay as far as three components hold them
    centred = hidden[0].reshape(-1, 6) - hidden[0].reshape(-1, 6).mean(0)
    variance = np.linalg.svd(centred, compute_uv=False) ** 2
    np.testing.assert_allclose(shares[0], variance[:3] / variance.sum(), rtol=1e-4)
    assert pc.shape == (3, 2, 5, 3)
    assert (
        player["source"]
        == "recorded by the evaluation in evaluation; shown are 2 of 4 episodes of each"
    )
    metrics = json.loads((evaluated / "evaluation" / "metrics.json").read_text())
    for shown, found in zip(run["findings"], metrics["findings"], strict=True):
        assert shown == {key: found[key] for key in shown}
    assert run["settings"]["default"]["network.core"] == "lstm"
    curve = unpacked(run["curves"]["default"]["metrics"]["return"])
    assert curve.shape[1] == 3


def test_a_report_plays_where_nothing_is_recorded(runs, tmp_path):
    path = pf.report([runs["lstm"], runs["gru"]], out=tmp_path / "r.html", episodes=1, seed=2)
    first, second = data_of(path)["runs"]
    assert first["players"][0]["source"].startswith(
        "played for this report: split held_out, seed 2"
    )
    assert (first["name"], second["name"]) == ("lstm", "gru")
    assert "prefrontal evaluate lstm" in first["notes"][0]
    assert not list(runs["lstm"].glob("evaluation"))


def test_a_report_is_one_file_that_leads_nowhere(evaluated, fit, tmp_path):
    path = pf.report(evaluated, fit, out=tmp_path / "r.html")
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 5e6
    found = Scripts(text)
    assert len(found.scripts) == 2
    assert all(link.startswith(("#", "data:")) for link in found.links)
    hosts = set(re.findall(r"https?://[^\"' ]+", text))
    assert hosts == {"http://www.w3.org/2000/svg"}
    digest = re.search(r"script-src 'sha256-([^']+)'", text)[1]
    assert digest == base64.b64encode(hashlib.sha256(found.scripts[1].encode()).digest()).decode()
    (_, two) = data_of(path)["runs"]
    assert two["kind"] == "fit"
    assert (
        two["left_out"]
        == "held out: whole subjects, 2 folds; 160 choices; chance is 0.5000 a choice"
    )
    assert two["predictive"]["subjects"]
    player = next(one for one in two["players"] if one["name"] == "rw")
    rows = (fit / "behaviour.csv").read_text().splitlines()
    assert sum(map(sum, player["lengths"])) == len(rows) - 1
    p = unpacked(player["arrays"]["probability"])
    assert p[0, 0, 0] == 0.5


HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="hacked()">\'\u2028&amp;'


def test_names_cannot_end_the_data():
    text = page({"runs": [{"name": HOSTILE}], "version": HOSTILE})
    assert text.count("</script>") == 2
    assert "\u2028" not in text
    found = Scripts(text)
    assert len(found.scripts) == 2
    assert json.loads(found.scripts[0])["runs"][0]["name"] == HOSTILE


@pytest.mark.parametrize("kind", [np.int16, np.int64, bool, np.float32, np.float64])
def test_arrays_are_exact(kind):
    values = (np.arange(12).reshape(3, 4) * 1.37 - 3).astype(kind)
    np.testing.assert_array_equal(unpacked(packing.packed(values)), values)
    large = np.array([2**40, -3])
    np.testing.assert_array_equal(unpacked(packing.packed(large)), large)


def test_episodes_go_first_where_a_page_is_full():
    shape = (4, 10, 100)
    record = {"action": np.zeros(shape, np.int16), "reward": np.zeros(shape, np.float32)}
    step = packing.bytes_a_step(record)
    assert packing.fitting(record, 3, 1e9) == (4, 3, 100)
    assert packing.fitting(record, 3, step * 100 * 8.5) == (4, 2, 100)
    assert packing.fitting(record, 3, step * 100 * 2.5) == (2, 1, 100)
    assert packing.fitting(record, 3, step * 50) == (1, 1, 50)
    kept = packing.cut(record, 2, 1, 50)
    assert kept["reward"].shape == (2, 1, 50)


def test_large_observations_are_shades():
    seen = np.random.default_rng(0).normal(size=(2, 1, 3, 100)).astype(np.float32)
    shades = packing.pixels(seen)
    back = unpacked(shades) / 255 * (shades["high"] - shades["low"]) + shades["low"]
    np.testing.assert_allclose(back, seen, atol=(shades["high"] - shades["low"]) / 255)


def test_the_command_says_where_the_file_is(evaluated, tmp_path, capsys):
    out = tmp_path / "deep" / "r.html"
    assert command.report([str(evaluated), "--out", str(out)]) == 0
    assert f"written: {out}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "there is no run in nowhere"),
        (["{run}", "--out", "r.pdf"], "NAME.html"),
        (["{run}", "{run}"], "is named twice"),
        (["{run}", "--episodes", "0"], "episodes must be at least 1"),
        ([], "name a run folder"),
    ],
)
def test_refusals(evaluated, words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filled = [word.replace("{run}", str(evaluated)) for word in words]
    assert message in refused(capsys, command.report, filled)


@pytest.mark.parametrize("name", ["record.npz", "metrics.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 broken",
        b"[1, 2]",
        b'{"findings": [{"name": 3}]}',
        b'{"findings": [{"name": "x", "value": "y"}]}',
        b'{"findings": [], "episodes": "many", "split": "all", "seed": 0}',
    ],
)
def test_broken_files_are_named(evaluated, tmp_path, name, content, capsys, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(evaluated, run)
    (run / "evaluation" / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert name in refused(capsys, command.report, ["run"])


def test_a_record_of_other_shapes_is_named(evaluated, tmp_path):
    with np.load(evaluated / "evaluation" / "record.npz") as stored:
        record = dict(stored)
    path = tmp_path / "record.npz"
    others = {"policy": record["policy"][:1], "hidden": np.zeros(3), "value": np.array(["x"])}
    for name, other in others.items():
        np.savez(path, **(record | {name: other}))
        with pytest.raises(ConfigError, match=r"record\.npz is no record"):
            read_record(path)
    np.savez_compressed(path, **record)
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes(200) + whole[400:])
    with pytest.raises(ConfigError, match=r"record\.npz is no record"):
        read_record(path)


def test_curves_have_fewer_points_where_there_are_many():
    one = {"steps": np.arange(400.0)[:, None] * np.ones(16)}
    one |= {f"metric {n}": np.random.default_rng(n).normal(size=(400, 16)) for n in range(8)}
    few, many = _curves({"a": one}, 1e6), _curves({str(n): one for n in range(64)}, 1e6)
    assert few["a"]["metrics"]["metric 0"]["shape"] == [250, 16]
    assert len(json.dumps(many)) < 1.1e6
    assert unpacked(many["3"]["steps"])[-1] == 399
