"""The part of the build that pyproject.toml cannot say: ``prefrontal.pth`` in site-packages."""

from pathlib import Path

from setuptools import Distribution, setup

# In a virtual environment, Python runs the line twice at a start.
ONCE = 'any(getattr(finder, "__module__", "") == "prefrontal.pth" for finder in sys.meta_path)'


class WithData(Distribution):
    """Installs data files in editable installs too, which ask for them by this name."""

    has_data = Distribution.has_data_files


source = Path("prefrontal", "autoregister.py").read_text(encoding="utf-8")
line = Path("build", "prefrontal.pth")
line.parent.mkdir(exist_ok=True)
code = f"import sys; {ONCE} or exec({source!r}, {{'__name__': 'prefrontal.pth'}})\n"
line.write_text(code, encoding="ascii")
setup(data_files=[("../purelib", [str(line)])], distclass=WithData)
