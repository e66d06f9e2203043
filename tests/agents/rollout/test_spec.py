"""Specifications of environments: data that survive a file."""

import json
import subprocess
import sys

from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.rollout.spec import EnvironmentSpec


def test_tuples_and_ids_of_earlier_versions_are_restored():
    spec = EnvironmentSpec(
        "prefrontal/TwoStep-v0", kwargs={"a": ((1, 2), 3)}, stages=({"b": (1,)}, {"b": (2,)})
    )
    plain = json.loads(json.dumps(to_plain(spec)))
    plain["id"] = "envs:" + plain["id"]
    assert from_plain(EnvironmentSpec, plain) == spec
    assert spec.stage(-1).kwargs == {"a": ((1, 2), 3), "b": (2,)}
    assert spec.stage(-1).stages == ()


def test_a_specification_needs_neither_torch_nor_gymnasium():
    source = "prefrontal/agents/rollout/spec.py"
    code = (
        f"import runpy, sys; runpy.run_path({source!r}, run_name='spec'); "
        "sys.exit(bool({'torch', 'gymnasium', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
