"""Settings of evolution are pure data: they stay readable by older files and import no PyTorch."""

import ast
import sys
from pathlib import Path

import prefrontal.agents.evolution.config as config
from prefrontal.agents.common.plain import from_plain, to_plain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[3]


def test_the_module_imports_nothing_heavy():
    tree = ast.parse(Path(config.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert not {m for m in modules if m.partition(".")[0] in ("torch", "numpy", "deap")}
    assert "prefrontal.agents.evolution.learner" not in modules


def test_settings_of_shipped_runs_are_read_and_written_back():
    run = tomllib.loads((ROOT / "pretrained/course-baldwin-harlow/config.toml").read_text())
    kinds = {c.kind: c for c in (config.EvolutionConfig, config.PublishedConfig)}
    read = 0
    for condition in run["conditions"].values():
        stored = condition["algorithm"]
        if stored.get("kind") in kinds:
            settings = {key: value for key, value in stored.items() if key != "kind"}
            made = from_plain(kinds[stored["kind"]], settings)
            assert to_plain(made) == settings
            read += 1
    assert read == 9
    simulated = config.HintonNowlanConfig(trials=0, undecided=0.0)
    assert from_plain(config.HintonNowlanConfig, to_plain(simulated)) == simulated
