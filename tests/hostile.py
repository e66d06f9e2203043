"""Hostile run folders and command lines, drawn at random from a seed; a helper of tests."""

import copy
import csv
import hashlib
import io
import json
import os
import random
import shutil
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import tomli_w

from prefrontal import command
from prefrontal.command import guarded

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TINY = "--num-envs 2 --total-steps 60 --hidden-size 3 --members 2 --workers 1 --no-progress"
EVOLVED = (
    "--members 1 --total-steps 60 --individuals 4 --offspring 2 --remeasured 1 --truncation 2 "
    "--tournament 2 --tasks 2 --hidden-size 3 --workers 1 --no-progress"
)
#: What is trained to be changed, by name.
RUNS = {
    "a2c": f"wang2016-bandit --trials 4 --snapshots 2 --critic-units 3 {TINY}",
    "conditions": f"bandit-ablations --condition full plain --trials 4 --critic-units 3 {TINY}",
    "q": f"wang2016-bandit --algorithm r2d2 --trials 4 {TINY}",
    "own": f"CartPole-v1 {TINY}",
    "td3": "zhang2024-modularity --condition modular --members 1 --scale .03 --total-steps 70 "
    "--num-envs 2 --learning-starts 2 --first-phase-trials 2 --validation-trials 2 --no-progress",
    "evolved": f"course-baldwin-harlow --condition baldwin {EVOLVED}",
    "hinton": "hinton-nowlan-1987 --condition learning --members 2 --individuals 5 --genes 3 "
    "--total-steps 20 --no-progress",
}
SIZES = [0, -1, 1, 7, 8000, 10**6, 10**9, 10**12, 2**63 - 1, 2**63, 10**23, 1e308, 0.5]
TEXTS = ["", ".", "..", "../x", "checkpoint", "a\nb", "x" * 5000, "\x1b[31m", "none", "évil:X", "/"]
VALUES = [None, [], {}, float("nan"), float("inf"), True, *SIZES, *TEXTS, [[]], {"": {}}, [None]]
IDS = ["CartPole-v1", "evil:X-v0", ".x:Y", "prefrontal/Harlow-v0", "prefrontal/No-v0", "none"]
NAMES = ["wang2018-two-step", "hinton-nowlan-1987", "own-environment", "zhang2024-modularity", "no"]
CONDITIONS = ["", ".", "..", "../x", "checkpoint", "evaluation", "default", "a b", "x" * 300]


def said_of(
    main: Callable[[list[str]], int], words: list[str], seconds: float = 120
) -> tuple[int | None, str]:
    """Return exit code (None: an exception that nothing caught) and what stderr says.

    What takes longer than `seconds` is interrupted: it was not refused.
    """
    out, err = io.StringIO(), io.StringIO()
    interrupted = []

    def interrupt(*_: object) -> None:
        interrupted.append(True)
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)  # again: some callbacks swallow it
    with redirect_stdout(out), redirect_stderr(err):
        try:
            return guarded(main, words), err.getvalue()
        except KeyboardInterrupt:
            return 130, err.getvalue()
        except SystemExit as end:
            return int(end.code or 0), err.getvalue()
        except Exception:  # what the parser of Python makes of an interrupt is a SystemError
            return (130, err.getvalue()) if interrupted else (None, traceback.format_exc())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def fault(code: int | None, err: str) -> str | None:
    """Return what is wrong with how a program ended; None if it did, or refused, as it should."""
    if code is None or "Traceback" in err:
        return err
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    if code == 2 and not (len(lines) == 1 and lines[0].startswith("error: ")):
        return f"{len(lines)} lines: {err}"
    return None if code in (0, 1, 2, 130) else f"exit code {code}: {err}"


# --- folders ---


def make_runs(folder: Path) -> None:
    """Train every one of `RUNS` in a folder of its name."""
    for name, words in RUNS.items():
        code, err = said_of(command.train, [*words.split(), "--out", str(folder / name)])
        assert code == 0, err


def attack(run: Path, seed: int) -> str:
    """Change a run folder in one or two ways; return what was changed, in words."""
    draw = random.Random(seed)
    kinds = [_config, _config, _checkpoint, _checkpoint, _arrays, _arrays, _metrics, _bytes, _other]
    told = []
    for _ in range(draw.choice([1, 1, 1, 2])):
        try:
            told.append(draw.choice(kinds)(run, draw))
        except (LookupError, OSError, RecursionError, TypeError, ValueError):
            told.append("nothing")  # the first change was in the way of the second
    return "; ".join(told)


def _small(path: Path) -> Path:
    """Return a path; raise if it is no longer an ordinary file of a few bytes."""
    if not path.is_file() or path.stat().st_size > 10**8:
        raise OSError(path)
    return path


def _paths(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the place of every value in tables and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from _paths(item, (*path, key))


def _change(tables: dict, draw: random.Random) -> str:
    """Change one value somewhere in tables: its type, its size, its presence."""
    path = draw.choice(list(_paths(tables)))
    at: Any = tables
    for key in path[:-1]:
        at = at[key]
    key = path[-1]
    kind = draw.randrange(5)
    if kind == 0 and isinstance(at, dict):
        del at[key]
        return f"without {path}"
    if kind == 1 and isinstance(at, dict):
        at[draw.choice(["new", *TEXTS, "kind", "task", "entry_point"])] = draw.choice(VALUES)
        return f"more beside {path}"
    new: Any = draw.choice(VALUES)
    if kind == 2:
        new = draw.choice({"id": IDS, "experiment": NAMES}.get(key, SIZES))
    if kind == 3:
        for _ in range(900):
            new = [new] if draw.random() < 0.5 else {"x": new}
    at[key] = new
    return f"{path} = {str(new)[:60]}"


def _config(run: Path, draw: random.Random) -> str:
    path = _small(run / "config.toml")
    tables = tomllib.loads(path.read_text())
    if draw.random() < 0.15:
        conditions = tables["conditions"]
        old, new = draw.choice(list(conditions)), draw.choice(CONDITIONS)
        conditions[new] = conditions[old] if draw.random() < 0.3 else conditions.pop(old)
        told = f"condition {new!r}"
    elif draw.random() < 0.1:
        path.write_text(path.read_text().replace("= 4", "= 1979-05-27", 1))
        return "a date"
    else:
        told = _change(tables, draw)
    try:
        path.write_text(tomli_w.dumps(_without_none(tables)))
    except (ValueError, RecursionError, TypeError):
        path.write_text("x" + " = [" * 900)
    return f"config.toml {told}"


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(v) for v in value if v is not None] if isinstance(value, list) else value


def _folder(run: Path, draw: random.Random) -> Path:
    return draw.choice(sorted(run.rglob("checkpoint.json"))).parent


def _checkpoint(run: Path, draw: random.Random) -> str:
    path = _small(_folder(run, draw) / "checkpoint.json")
    header = json.loads(path.read_text())
    told = _change(header if draw.random() < 0.2 else header["meta"], draw)
    try:
        path.write_text(json.dumps(header))
    except (ValueError, RecursionError):
        path.write_text("[" * 100_000)
    return f"checkpoint.json {told}"


def _arrays(run: Path, draw: random.Random) -> str:
    """Change the tensors, with a header that vouches for them."""
    folder = _folder(run, draw)
    (path,) = folder.glob("arrays-*.safetensors")
    content = _small(path).read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    head, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header = json.loads(_small(folder / "checkpoint.json").read_text())
    likely = [key for key in head if key in ("weights", "snapshots", "champion", "steps")] * 3
    name = draw.choice(sorted(key for key in head if key != "__metadata__") + likely)
    one, kind = head[name], draw.randrange(8)
    if kind == 0:
        one["shape"] = draw.choice([[], [0], [0, 3], [2, 0], [1], [10**9, 10**9], [-1, 2], [2, 2]])
    elif kind == 1:
        one["dtype"] = draw.choice(["F64", "I8", "BOOL", "F8_E4M3", "BF16", "X", "I64"])
    elif kind == 2:
        del head[name]
    elif kind == 3:
        one["shape"] = one["shape"][::-1]
    elif kind == 4:
        one["data_offsets"] = draw.choice([[0, 0], [0, 10**12], [5, 1], ["a", 2]])
    elif kind == 5:
        head[draw.choice(["weights", "snapshots", "steps", "extra"])] = dict(one)
    else:
        start, end = one["data_offsets"]
        value = draw.choice([b"\xff" * (end - start), bytes(end - start), os.urandom(0)])
        data = data[:start] + (value or data[start:end][::-1]) + data[end:]
    text = json.dumps(head).encode()
    content = struct.pack("<Q", len(text)) + text + data
    digest = hashlib.sha256(content).hexdigest()
    path.unlink()
    (folder / f"arrays-{digest[:16]}.safetensors").write_bytes(content)
    file = f"arrays-{digest[:16]}.safetensors"
    header["arrays"] = {"file": file, "bytes": len(content), "sha256": digest}
    (folder / "checkpoint.json").write_text(json.dumps(header))
    return f"tensor {name} in way {kind}: {str(head.get(name))[:60]}"


def _metrics(run: Path, draw: random.Random) -> str:
    path = draw.choice(sorted(run.rglob("metrics.csv")))
    text = _small(path).read_bytes().decode(errors="replace")
    rows = list(csv.reader(io.StringIO(text.replace("\0", ""))))
    row = draw.choice(rows)
    row[draw.randrange(len(row))] = draw.choice(
        ["", "nan", "inf", "x", "-1", "1e400", "9" * 5000, "y" * 200_000, '"', "10000000000", "0"]
    )
    if draw.random() < 0.3:
        rows.remove(row) if draw.random() < 0.5 else rows.append(copy.copy(row))
    path.write_text("\n".join(",".join(row) for row in rows) + draw.choice(["\n", ""]))
    return "metrics.csv, a cell"


def _bytes(run: Path, draw: random.Random) -> str:
    """Flip bits of a file, cut it, make it vast or of other bytes."""
    path = draw.choice([one for one in sorted(run.rglob("*")) if one.is_file()])
    content = bytearray(_small(path).read_bytes())
    kind = draw.randrange(5)
    if kind == 0:
        for _ in range(3):
            if content:
                content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
    elif kind == 1:
        path.write_bytes(content[: draw.randrange(len(content) + 1)])
    elif kind == 2:
        with path.open("r+b") as file:
            file.truncate(20 * 10**9)
    elif kind == 3:
        path.write_bytes(b"\xff\xfe" + content)
    else:
        path.unlink()
    return f"{path.name}, bytes in way {kind}"


def _other(run: Path, draw: random.Random) -> str:
    """Put the checkpoint of another run, or a folder or link, in a file's place."""
    target = _folder(run, draw)
    kind = draw.randrange(3)
    if kind == 0:
        others = [one for one in sorted(run.parent.parent.glob("runs/*/checkpoint"))]
        shutil.rmtree(target)
        shutil.copytree(draw.choice(others), target)
        return "the checkpoint of another run"
    path = draw.choice([run / "config.toml", run / "versions.json", target / "checkpoint.json"])
    path.unlink(missing_ok=True)
    if kind == 1:
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    return f"{path.name} is no file"


def commands_on(run: Path) -> list[tuple[Callable[[list[str]], int], list[str]]]:
    """Return the command lines that are tried on a changed run."""
    first = RUNS[run.name].split()[0]
    quick = ["--episodes", "22", "--record", "2", "--no-figures"]
    return [
        (command.evaluate, [str(run), *quick, "--out", str(run.parent / "out")]),
        (command.train, [first, "--resume", "--out", str(run), "--no-progress", "--workers", "1"]),
    ]
