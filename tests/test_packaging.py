"""What is installed: one package, all of it, and environments that nobody has to import."""

import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefrontal.shipped import shipped_folder, shipped_names

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "prefrontal" / "autoregister.py"
FOLDERS = ("agents", "envs", "analysis", "behaviour", "experiments", "pretrained")


def run(code: str, *before: Path, where: Path = ROOT) -> str:
    """What a fresh interpreter prints that has our dependencies, but no installed `prefrontal`."""
    paths = [str(path) for path in before], sysconfig.get_path("purelib")
    start = f"import site, sys; sys.path[:0] = {paths[0]}; sys.path.append({paths[1]!r})\n"
    words = [sys.executable, "-I", "-S", "-c", start + code]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=where)
    assert not done.stderr
    return done.stdout.strip()


WATCH = f"exec(open({str(SOURCE)!r}).read(), {{'__name__': 'prefrontal.pth'}})\n"
COUNT = """
import gymnasium
print(sum(name.startswith("prefrontal/") for name in gymnasium.registry))
print([finder for finder in sys.meta_path if "prefrontal" in str(finder)])
"""


@pytest.mark.parametrize(
    "first",
    [
        "import gymnasium",
        "import gymnasium.envs.registration",
        "from gymnasium import make; make('prefrontal/TwoArmedBandit-v0').reset()",
        "import prefrontal.envs",
        "import importlib.util as u; assert u.find_spec('gymnasium').loader.get_code('gymnasium'); "
        "assert not any('prefrontal' in name for name in sys.modules)",
    ],
)
def test_importing_gymnasium_registers_the_environments(first):
    assert run(WATCH + first + COUNT, ROOT) == "23\n[]"


def test_importing_gymnasium_imports_nothing_large():
    heavy = {"torch", "stable_baselines3", "matplotlib", "scipy", "tqdm", "tyro"}
    code = f"import gymnasium\nprint('prefrontal.envs' in sys.modules, {heavy} & set(sys.modules))"
    assert run(WATCH + code, ROOT) == "True set()"


@pytest.mark.parametrize("path", ["prefrontal/__init__.py", "prefrontal/envs.py"])
def test_nothing_is_heard_of_a_package_that_is_broken(tmp_path, path):
    (tmp_path / "prefrontal").mkdir()
    (tmp_path / "prefrontal" / "__init__.py").write_text("")
    (tmp_path / path).write_text("1 / 0")
    assert run(WATCH + COUNT, tmp_path) == "0\n[]"


def test_a_program_of_the_same_name_is_not_run(tmp_path):
    (tmp_path / "prefrontal.py").write_text("print('theirs')")
    assert run(WATCH + COUNT, tmp_path) == "0\n[]"


def test_it_works_without_gymnasium(tmp_path):
    code = """
import importlib.util
sys.path.pop()
assert importlib.util.find_spec("gymnasium") is None
try:
    import gymnasium
except ModuleNotFoundError as error:
    print(error)
"""
    assert run(WATCH + code, ROOT, where=tmp_path) == "No module named 'gymnasium'"


def test_what_gymnasium_raises_is_raised(tmp_path):
    (tmp_path / "gymnasium.py").write_text("raise OSError('theirs')")
    code = "try:\n    import gymnasium\nexcept OSError as error:\n    print(error)"
    assert run(WATCH + code, tmp_path) == "theirs"


def test_shipped_populations_are_found_by_name():
    assert "wang2016-bandit" in shipped_names()
    assert len(shipped_names()) == len(list((ROOT / "pretrained").iterdir()))
    folder = shipped_folder("wang2016-bandit")
    assert folder is not None
    assert folder.samefile(ROOT / "pretrained" / "wang2016-bandit")
    for name in ("", ".", "..", "../pretrained", "wang2016-bandit/checkpoint", "nothing"):
        assert shipped_folder(name) is None


def tracked() -> list[Path]:
    """Files of the repository, new ones included."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Iterator[Path]:
    """What is built from a fresh clone: links to the tracked files."""
    pytest.importorskip("setuptools", "77", reason="builds offline, with the setuptools installed")
    folder = tmp_path_factory.mktemp("packaging") / "source"
    for path in tracked():
        if path.parts[0] not in {"tests", "benchmarks", "docs"}:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(ROOT / path)
    for name in FOLDERS:
        (folder / "prefrontal" / name).symlink_to(f"../{name}")
    yield folder
    shutil.rmtree(folder.parent)  # wheels are large


@pytest.fixture(scope="module")
def wheel(source) -> Path:
    words = ["-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--wheel-dir"]
    subprocess.run([sys.executable, *words, source.parent, source], check=True)
    (built,) = source.parent.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    files = {path for path in tracked() if path.parts[0] in {*FOLDERS, "prefrontal"}}
    wanted = {path.as_posix() for path in files if path.parts[0] == "prefrontal"}
    wanted |= {f"prefrontal/{path.as_posix()}" for path in files if path.parts[0] in FOLDERS}
    names = zipfile.ZipFile(wheel).namelist()
    own = {name for name in names if not re.match(r"prefrontal-[^/]*\.dist-info/", name)}
    (hook,) = own - wanted
    assert re.fullmatch(r"prefrontal-[^/]*\.data/purelib/prefrontal\.pth", hook)
    assert not wanted - own
    assert wheel.stat().st_size < 97e6  # PyPI takes 100 MB


@pytest.mark.slow
def test_an_installed_wheel_registers_its_environments(wheel, tmp_path):
    place, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    words = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([sys.executable, *words, place, wheel], check=True)
    there = {re.sub(r"-.*\.", ".", path.name) for path in place.iterdir()}
    assert there == {"prefrontal", "prefrontal.pth", "prefrontal.dist-info", "bin"}
    elsewhere.mkdir()
    for name in ("agents", "envs", "train"):
        (elsewhere / f"{name}.py").write_text("raise RuntimeError('stray')")
    code = f"sys.path.insert(0, '')\nsite.addsitedir({str(place)!r})\n"
    assert run(code + COUNT, where=elsewhere) == "23\n[]"
    code += "import prefrontal.agents\nfrom prefrontal.shipped import *\n"
    code += "print(len(prefrontal.agents.load(shipped_folder('wang2016-bandit'))))"
    assert run(code, where=elsewhere) == "8"
    shutil.rmtree(place)


def test_an_editable_install_registers_too(source):
    """`setuptools` builds it by other ways."""
    code = "import setuptools.build_meta as build; build.build_editable('..')"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    (built,) = source.parent.glob("*editable*.whl")
    names = zipfile.ZipFile(built).namelist()
    built.unlink()
    assert "prefrontal-0.1.0.data/purelib/prefrontal.pth" in names
