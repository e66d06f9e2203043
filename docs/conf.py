"""Settings of the documentation: ``make docs``. Nothing is downloaded, and warnings are errors."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]
# What notebooks start: this interpreter's commands, and this checkout wherever they run.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
)
os.environ.setdefault("OMP_NUM_THREADS", "1")

project = "prefrontal"
author = "The prefrontal authors"
copyright = "the prefrontal authors, MIT licence"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "pages",
]
exclude_patterns = ["_build", "generated/notebooks", "examples", "**.ipynb_checkpoints"]
templates_path: list[str] = []

html_theme = "furo"
html_title = "prefrontal"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3

nb_execution_mode = "force"  # `make docs ARGS="-D nb_execution_mode=off"`: without running them
nb_execution_in_temp = True
nb_execution_timeout = 1200  # by the clock, on a busy machine
nb_execution_show_tb = True
nb_output_stderr = "remove"

default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

nitpicky = True
# Names in docstrings that are no objects of ours (libraries', words in code type), and those of
# ours that have no page: rooms inside, and commands, which begin like the package.
_INSIDE = (
    r"agents|agents\.(base|rollout)\..*|agents\.a2c\.(ewc|off_policy|heads\.Target)|"
    r"agents\.evolution\.published|agents\.common\.actions\.Actions|experiments\..*|"
    r"evaluating\.Figure|doors\.Doors|fitted\.BehaviourFit|checking\.option"
)
nitpick_ignore_regex = [
    ("py:.*", r"(?!prefrontal\b).*"),
    ("py:.*", rf"prefrontal( (train|fit|list)|\.({_INSIDE}))"),
]
suppress_warnings = [
    "ref.python",  # a name that several modules have
    "misc.highlighting_failure",  # lines of a notebook that are for the shell
]
