"""Registers the environments when Gymnasium is imported, so that no one has to import them.

`setup.py` writes this source into ``prefrontal.pth``, which Python runs at every start, in programs
that have nothing to do with us: it imports nothing, prints nothing and raises nothing, and ends
with the first import of Gymnasium (which reads no entry points).
"""

import sys


class Watcher:
    """Finds Gymnasium as the finders after it do, and registers when it has been imported."""

    @staticmethod
    def find_spec(name, path=None, target=None):  # type: ignore[no-untyped-def] # noqa: D102
        if name != "gymnasium":
            return None
        try:
            later = sys.meta_path[sys.meta_path.index(Watcher) + 1 :]
            found = (finder.find_spec(name, path, target) for finder in later)
            spec = next(spec for spec in found if spec)
            loader = spec.loader
            run = loader.exec_module  # type: ignore

            def run_and_register(module):  # type: ignore[no-untyped-def]
                run(module)
                if module.__name__ == name:  # loaders of zip files are shared
                    register()

            loader.exec_module = run_and_register  # type: ignore
        except Exception:  # there is none, or none that can be watched
            return None
        return spec


def register() -> None:
    """Register the environments, if all is well, and stop watching."""
    try:
        sys.meta_path.remove(Watcher)
        import importlib.util

        # A program of the user's may be called prefrontal.py.
        if importlib.util.find_spec("prefrontal").submodule_search_locations:  # type: ignore
            import prefrontal.envs  # noqa: F401
    except Exception:  # `import prefrontal.envs` says what is wrong
        return


sys.meta_path.insert(0, Watcher)
