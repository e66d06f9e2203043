"""The modules of analysis import neither torch nor, before they need them, SciPy and Matplotlib."""

import pkgutil
import subprocess
import sys

import prefrontal.analysis

HEAVY = {"torch", "scipy", "matplotlib", "tensorboard", "stable_baselines3", "pandas"}


def test_importing_every_module_leaves_heavy_packages_out():
    rooms = pkgutil.walk_packages(prefrontal.analysis.__path__, "prefrontal.analysis.")
    names = [module.name for module in rooms]
    assert "prefrontal.analysis.figures.style" in names
    assert "prefrontal.analysis.stats.intervals" in names
    code = f"import sys, {', '.join(names)}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & HEAVY
    assert not {"prefrontal.agents", "prefrontal.envs", "prefrontal.experiments"} & set(
        done.stdout.split()
    )
