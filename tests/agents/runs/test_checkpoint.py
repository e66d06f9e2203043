"""Checkpoints: exact, atomic under SIGKILL and full disks, and deaf to hostile files."""

import errno
import hashlib
import io
import json
import multiprocessing
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from prefrontal.agents.common.errors import CheckpointError, PrefrontalError
from prefrontal.agents.runs import checkpoint
from prefrontal.agents.runs.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
]


def numbered(update: int) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """A checkpoint whose parts all say which update it is."""
    arrays = {f"w{i}": torch.full((64, 64), update + i, dtype=torch.float64) for i in range(4)}
    return arrays, {"update": update, "history": list(range(update % 100))}


def assert_whole(folder: Path) -> int:
    """The update of the checkpoint in a folder, all of whose parts must agree."""
    arrays, meta = load_checkpoint(folder)
    expected, expected_meta = numbered(meta["update"])
    assert meta == expected_meta
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert torch.equal(arrays[name], array)
    return meta["update"]


def message_of(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert isinstance(caught.value, PrefrontalError)
    return message


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "checkpoint", *numbered(7))
    return tmp_path / "checkpoint"


def arrays_file(folder: Path) -> Path:
    (path,) = folder.glob("arrays-*.safetensors")
    return path


def forge(folder: Path, content: bytes) -> None:
    """Put content in place of the arrays, with a header that vouches for it."""
    digest = hashlib.sha256(content).hexdigest()
    name = f"arrays-{digest[:16]}.safetensors"
    header = json.loads((folder / "checkpoint.json").read_text())
    header["arrays"] = {"file": name, "bytes": len(content), "sha256": digest}
    (folder / "checkpoint.json").write_text(json.dumps(header))
    (folder / name).write_bytes(content)


# --- what is saved comes back ---


def test_round_trip_is_exact(tmp_path: Path) -> None:
    g = torch.Generator().manual_seed(0)
    base = torch.randn(6, 4, generator=g)
    arrays = {str(d): (base * 10).to(d) for d in DTYPES}
    arrays |= {
        "scalar": torch.tensor(0.1, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "view": base[1:3],  # shares memory with the next one
        "transposed": base.T,
        "special": torch.tensor([float("nan"), float("inf"), -0.0]),
        "parameter": torch.nn.Parameter(base),
        "generator": g.get_state(),
    }
    meta = {"update": 3, "big": 2**127, "x": 0.1, "none": None, "deep": [{"a": [True, "ü\n"]}]}
    save_checkpoint(tmp_path / "a" / "b", arrays, meta)
    loaded, loaded_meta = load_checkpoint(tmp_path / "a" / "b")
    assert loaded_meta == meta
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        same = torch.equal(
            loaded[name].contiguous().reshape(-1).view(torch.uint8),
            array.detach().contiguous().reshape(-1).view(torch.uint8),
        )
        assert same, name
    loaded["scalar"] += 1  # writable: nothing maps the file


def test_no_arrays_and_nan_in_meta(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {}, {"loss": float("nan")})
    arrays, meta = load_checkpoint(str(tmp_path))
    assert arrays == {}
    assert meta["loss"] != meta["loss"]


def test_a_save_replaces_the_last_and_leaves_two_files(saved: Path) -> None:
    (saved / ".arrays-0.safetensors.99.tmp").write_bytes(b"left by a kill")
    (saved / "notes.txt").write_text("the user's own")
    save_checkpoint(saved, *numbered(8))
    assert assert_whole(saved) == 8
    assert sorted(p.name for p in saved.iterdir()) == [
        arrays_file(saved).name,
        "checkpoint.json",
        "notes.txt",
    ]
    save_checkpoint(saved, *numbered(8))  # the same content again
    assert assert_whole(saved) == 8


def test_header_says_what_wrote_it(saved: Path) -> None:
    header = json.loads((saved / "checkpoint.json").read_text())
    assert header["version"] == 1
    assert torch.__version__.startswith(header["versions"]["torch"])  # "+cu130" is not in metadata
    assert {"python", "numpy", "gymnasium", "prefrontal", "platform"} <= header["versions"].keys()
    digest = hashlib.sha256(arrays_file(saved).read_bytes()).hexdigest()
    assert header["arrays"]["sha256"] == digest


@pytest.mark.parametrize("meta", [{"a": (1, 2)}, {1: 2}, {"a": {"b": object()}}, {"a": [{2: 1}]}])
def test_meta_that_json_would_change_is_refused(tmp_path: Path, meta: dict) -> None:
    with pytest.raises(TypeError, match="meta"):
        save_checkpoint(tmp_path, {}, meta)
    assert not has_checkpoint(tmp_path)


@pytest.mark.parametrize("array", [torch.zeros(2).to_sparse(), torch.zeros(2) * 1j, [1.0]])
def test_arrays_that_cannot_be_stored_are_named(tmp_path: Path, array: Any) -> None:
    with pytest.raises(TypeError, match="array 'w' must be a dense real tensor"):
        save_checkpoint(tmp_path, {"w": array}, {})


# --- kills ---


def save_forever(folder: Path) -> None:
    update = assert_whole(folder) if has_checkpoint(folder) else 0
    while True:
        update += 1
        save_checkpoint(folder, *numbered(update))


def save_until_line(folder: Path, line: int) -> None:
    """Save update 2 and die at the n-th line that is executed from the first write on."""
    executed = 0
    writing = False

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal executed, writing
        if frame.f_code.co_filename != checkpoint.__file__:
            return None
        writing = writing or frame.f_code.co_name == "write_atomically"
        if writing and event == "line":
            executed += 1
            if executed == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    save_checkpoint(folder, *numbered(2))


@pytest.fixture(scope="module")
def processes() -> Any:
    """Processes forked from a server that has imported torch once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "torch", "safetensors.torch", "tomli_w"])
    return context


@pytest.mark.slow
def test_sigkill_at_random_moments(tmp_path: Path, processes: Any) -> None:
    folder = tmp_path / "checkpoint"
    rng = random.Random(0)
    last = 0
    for _ in range(20):
        process = processes.Process(target=save_forever, args=(folder,), daemon=True)
        process.start()
        deadline = time.monotonic() + 20
        while last == (assert_whole(folder) if has_checkpoint(folder) else 0):
            assert time.monotonic() < deadline, "the process does not save"
            time.sleep(0.001)
        # Readers find a complete checkpoint while the writer replaces it, ...
        end = time.monotonic() + rng.uniform(0, 0.05)
        while time.monotonic() < end:
            assert_whole(folder)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        # ... and after it was killed; the next one goes on from there.
        update = assert_whole(folder)
        assert update > last
        last = update
    save_checkpoint(folder, *numbered(1))
    assert len(list(folder.iterdir())) == 2  # whatever the kills left is gone


@pytest.mark.slow
def test_sigkill_at_every_line(tmp_path: Path, processes: Any) -> None:
    found = []
    line = 1
    while True:
        folder = tmp_path / str(line)
        save_checkpoint(folder, *numbered(1))
        process = processes.Process(target=save_until_line, args=(folder, line), daemon=True)
        process.start()
        process.join()
        found.append(assert_whole(folder))
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        line += 1
    # The old one up to the rename, the new one from then on.
    switch = found.index(2)
    assert found == [1] * switch + [2] * (len(found) - switch)
    assert switch > 20
    assert len(found) - switch > 10


@pytest.mark.parametrize("moment", ["stat", "read_bytes"])
def test_reader_overtaken_by_a_writer_reads_the_new_one(
    saved: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    real = getattr(Path, moment)
    overtaken = arrays_file(saved)

    def overtake(path: Path, **kwargs: Any) -> Any:
        if path == overtaken:
            monkeypatch.undo()
            save_checkpoint(saved, *numbered(8))
        return real(path, **kwargs)

    monkeypatch.setattr(Path, moment, overtake)
    assert assert_whole(saved) == 8


# --- disks ---


class FullDisk(io.FileIO):
    """Takes part of what is written and then has no room."""

    def write(self, data: Any) -> int:
        view = memoryview(data)
        if len(view) > 100:
            return super().write(view[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_keeps_the_last_checkpoint(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(saved.iterdir())

    def open_full(path: Path, mode: str, buffering: int) -> FullDisk:
        return FullDisk(path, mode)

    monkeypatch.setattr(checkpoint, "open", open_full, raising=False)
    with pytest.raises(CheckpointError, match="No space left on device; the last good one is kept"):
        save_checkpoint(saved, *numbered(8))
    monkeypatch.undo()
    assert assert_whole(saved) == 7
    assert sorted(saved.iterdir()) == before


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("nth", [1, 2])
def test_failing_system_calls_leave_a_whole_checkpoint(
    saved: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    real = getattr(os, call)
    calls = 0

    def failing(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(errno.EIO, "Input/output error")
        return real(*args)

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(CheckpointError, match="Input/output error"):
        save_checkpoint(saved, *numbered(8))
    monkeypatch.undo()
    assert assert_whole(saved) == 7
    save_checkpoint(saved, *numbered(9))
    assert assert_whole(saved) == 9
    assert len(list(saved.iterdir())) == 2


def test_really_full_disk(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from prefrontal.agents.runs.checkpoint import load_checkpoint, save_checkpoint
from prefrontal.agents.common.errors import CheckpointError
from test_checkpoint import assert_whole, numbered
folder = Path(sys.argv[1]) / "checkpoint"
save_checkpoint(folder, *numbered(1))
try:
    save_checkpoint(folder, *numbered(2))
except CheckpointError as error:
    assert "No space left on device" in str(error), error
else:
    raise AssertionError("the disk was not full")
assert assert_whole(folder) == 1
assert len(list(folder.iterdir())) == 2
"""
    mount = 'mount -t tmpfs -o size=200k none "$1" || exit 77; exec "$2" -c "$3" "$1"'
    private = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare to mount a small disk with")
    done = subprocess.run(
        [*private, "sh", "-c", mount, "sh", str(tmp_path), sys.executable, script],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("no right to mount a small disk")
    assert done.returncode == 0, done.stderr


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write a checkpoint in"):
        save_checkpoint(tmp_path / "file", *numbered(1))


# --- damaged and hostile files ---


def test_missing(tmp_path: Path) -> None:
    assert "no checkpoint in" in message_of(tmp_path / "nowhere")
    assert "contains checkpoint.json" in message_of(tmp_path)


def test_arrays_truncated_anywhere(saved: Path) -> None:
    path = arrays_file(saved)
    content = path.read_bytes()
    rng = random.Random(1)
    for size in [0, 1, 7, 8, 9, len(content) - 1, *rng.sample(range(len(content)), 30)]:
        path.write_bytes(content[:size])
        assert f"truncated or damaged: {size} bytes instead of {len(content)}" in message_of(saved)
    path.write_bytes(content + b"\0")
    assert "truncated or damaged" in message_of(saved)
    path.unlink()
    assert f"{path.name} is missing" in message_of(saved)


def test_header_truncated_anywhere(saved: Path) -> None:
    path = saved / "checkpoint.json"
    content = path.read_bytes()
    for size in range(0, len(content), 5):
        path.write_bytes(content[:size])
        assert "truncated or written by another program" in message_of(saved)


def test_any_flipped_bit_in_the_arrays_is_found(saved: Path) -> None:
    path = arrays_file(saved)
    content = bytearray(path.read_bytes())
    rng = random.Random(2)
    for _ in range(30):
        position, bit = rng.randrange(len(content)), 1 << rng.randrange(8)
        content[position] ^= bit
        path.write_bytes(content)
        assert "is damaged: its SHA-256 does not match" in message_of(saved)
        content[position] ^= bit


class Trap:
    """A pickle of this creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("form", ["pickle", "torch", "zip"])
def test_foreign_files_are_named_and_never_run(saved: Path, tmp_path: Path, form: str) -> None:
    sprung = tmp_path / "sprung"
    buffer = io.BytesIO()
    if form == "pickle":
        pickle.dump(Trap(sprung), buffer)
    elif form == "torch":
        torch.save({"w": Trap(sprung)}, buffer)
    else:
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("data", pickle.dumps(Trap(sprung)))
    content = buffer.getvalue()
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists()  # the trap works ...
    sprung.unlink()
    kind = "a pickle" if form == "pickle" else "a zip archive"

    (tmp_path / "model.zip").write_bytes(content)  # in place of the folder,
    assert f"is {kind}" in message_of(tmp_path / "model.zip")
    forge(saved, content)  # of the arrays with a header that vouches for them,
    assert "is no safetensors file" in message_of(saved)
    (saved / "checkpoint.json").write_bytes(content)  # and of the header
    assert f"is {kind}" in message_of(saved)
    assert not sprung.exists()  # ... and was never sprung


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,  # a header of 2^64 - 1 bytes
        (2**62).to_bytes(8, "little") + b"{}",
        (10**9).to_bytes(8, "little") + b"{" * 100,
        (2).to_bytes(8, "little") + b"[]",
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        (8).to_bytes(8, "little") + b'{"a":\n1}',
    ],
)
def test_header_bombs(saved: Path, content: bytes) -> None:
    forge(saved, content)
    start = time.monotonic()
    assert "is no safetensors file" in message_of(saved)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "info",
    [
        {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**40]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "object", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
    ],
)
def test_lying_tensor_headers(saved: Path, info: dict) -> None:
    header = json.dumps({"w": info}).encode()
    forge(saved, len(header).to_bytes(8, "little") + header + b"\0" * 4)
    assert "is no safetensors file" in message_of(saved)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": "other"}, "its format must be 'prefrontal-checkpoint'"),
        ({"version": 2}, "format version 2, and this prefrontal reads version 1"),
        ({"version": None}, "format version None"),
        ({"meta": None}, "malformed"),
        ({"arrays": None}, "malformed"),
        ({"arrays": {"file": "../../secret", "bytes": 1, "sha256": ""}}, "malformed"),
        ({"arrays": {"file": "/etc/passwd", "bytes": 1, "sha256": ""}}, "malformed"),
        ({"arrays": {"file": 3, "bytes": 1, "sha256": ""}}, "malformed"),
    ],
)
def test_wrong_headers(saved: Path, change: dict, expected: str) -> None:
    header = json.loads((saved / "checkpoint.json").read_text())
    (saved / "checkpoint.json").write_text(json.dumps({**header, **change}))
    assert expected in message_of(saved)


@pytest.mark.parametrize("text", ["[]", "3", "null", '{"a": 1}', "[" * 100_000, "1" * 5000])
def test_other_json(saved: Path, text: str) -> None:
    (saved / "checkpoint.json").write_text(text)
    message_of(saved)


def test_headers_that_are_no_files(saved: Path) -> None:
    (saved / "checkpoint.json").unlink()
    os.mkfifo(saved / "checkpoint.json")  # reading this would wait for ever
    assert "no checkpoint in" in message_of(saved)
