"""The documentation's pages: what the build cannot say of itself."""

import importlib
import re
import sys
from pathlib import Path

import pytest

import prefrontal
from prefrontal import agents, envs

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if not {"_build", "generated"} & set(p.parts))


@pytest.fixture(scope="module")
def reference():
    sys.path.insert(0, str(DOCS / "_ext"))
    yield importlib.import_module("reference")
    sys.path.remove(str(DOCS / "_ext"))


def test_links_lead_to_files():
    wrong = []
    for page in PAGES:
        for place in re.findall(r"\]\((?!https?:)([^)#\s]+)[^)]*\)", page.read_text()):
            made = place.removeprefix("../").startswith("generated/")
            if not made and not (page.parent / place).exists():
                wrong.append(f"{page.relative_to(DOCS)}: {place}")
    assert not wrong


def test_tutorials_are_listed_and_hold_no_output():
    listed = (DOCS / "tutorials/index.md").read_text()
    tutorials = [p for p in PAGES if p.parent.name == "tutorials" and p.stem != "index"]
    assert len(tutorials) >= 11
    for page in tutorials:
        text = page.read_text()
        assert f"]({page.name})" in listed
        assert f"\n{page.stem}\n" in listed
        assert "```{code-cell} ipython3" in text
        assert "image/png" not in text


def test_every_public_name_is_in_the_reference(reference):
    """The build warns of names without an entry, and warnings are errors; these are the names."""
    names = set(reference.public())
    assert {f"prefrontal.{name}" for name in prefrontal.__all__} <= names
    for package in (envs, agents):
        for name in package.__all__:
            found = getattr(package, name)
            where = f"{getattr(found, '__module__', package.__name__)}.{name}"
            if name in envs.TASKS:
                where = f"prefrontal.envs.{name}"
            assert where in names or not callable(found), name
    for package in ("analysis", "behaviour"):
        files = {
            ".".join(("prefrontal", *path.relative_to(DOCS.parent).with_suffix("").parts))
            for path in (DOCS.parent / package).rglob("*.py")
        }
        shown = set(reference.modules(package))
        assert {name.removesuffix(".__init__") for name in files} <= shown
    undocumented = [name for name in names if not _documented(name)]
    assert not undocumented


def _documented(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    return bool(getattr(importlib.import_module(module), attribute).__doc__)
