"""Spaces from outside: installed packages (entry points) and single files that the user names."""

from __future__ import annotations

import functools
import importlib.util
import sys
import warnings
from importlib import metadata
from pathlib import Path

from spaces.errors import InvalidPlugin

GROUP = "pathfit.spaces"
"""Entry points of installed packages: each names a module whose import registers its spaces."""


@functools.cache
def load_installed() -> None:
    """Import the modules of all entry points of the group, once; one that fails is warned of and
    left out.
    """
    for entry in metadata.entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:  # a package that is broken must not take the others with it
            warnings.warn(
                f"the plug-in {entry.name} ({entry.value}) cannot be loaded: {error!r}",
                stacklevel=2,
            )


def load_file(path: str | Path) -> None:
    """Run a Python file that registers spaces.

    Args:
        path: the file; one that was loaded before is left alone.

    Raises:
        InvalidPlugin: there is no such file, or it fails.
    """
    file = Path(path).resolve()
    name = f"pathfit_plugin_{file.stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(file):
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise InvalidPlugin(f"the plug-in {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InvalidPlugin(
            f"the plug-in {path} failed: {type(error).__name__}: {error}"
        ) from error
