"""Loading of plug-ins: files that the user names, and entry points of installed packages."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spaces.errors import InvalidPlugin, PathfitWarning

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

# Of the modules that files of users become.
_MODULE_PREFIX = "pathfit_plugin_"

# Where registrations come from while a plug-in is imported.
_origin: ContextVar[str | None] = ContextVar("_origin", default=None)


def resolve(target: str) -> object:
    """Import "module:attribute", with dots in the attribute allowed, or "module" alone."""
    module, _, attributes = target.partition(":")
    item: object = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        item = getattr(item, attribute)
    return item


def load_entry_points(group: str, reserved: Container[str]) -> dict[str, EntryPoint]:
    """Find the entry points of a group; a broken or superfluous one is warned of and left out.

    Args:
        group: Group of entry points, such as "pathfit.spaces".
        reserved: Names that are registered already.

    Returns:
        Name -> entry point of those that name an object ("module:attribute"). Those that name a
        module are imported here, so that the module registers its entries.
    """
    # Imported on demand: it takes longer than a whole `--help`.
    import importlib.metadata

    entry_points: dict[str, EntryPoint] = {}
    for entry_point in importlib.metadata.entry_points(group=group):
        name = entry_point.name
        title = f"the plug-in {name} ({entry_point.value})"
        if ":" in entry_point.value:
            # Names of Pathfit, and those registered before, are not replaced by an installed
            # package.
            if name in reserved:
                warnings.warn(
                    f"{title} is left out: {group} has {name!r} already",
                    PathfitWarning,
                    stacklevel=4,
                )
            else:
                entry_points[name] = entry_point
            continue

        # An entry point without an attribute is a module that registers its entries itself.
        try:
            with registering_from(distribution_of(entry_point)):
                entry_point.load()
        except Exception as error:  # One broken package must not take the others along.
            warnings.warn(f"{title} cannot be loaded: {error!r}", PathfitWarning, stacklevel=4)

    return entry_points


def load_file(path: str | Path) -> None:
    """Run a Python file that registers spaces, strategies or other entries.

    Args:
        path: File to run; one that has been loaded before is skipped.

    Raises:
        InvalidPlugin: The file does not exist, is no Python file, or fails.
    """
    from importlib.util import module_from_spec, spec_from_file_location

    file = Path(path).resolve()
    name = f"{_MODULE_PREFIX}{file.stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(file):
        return

    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise InvalidPlugin(f"the plug-in {path} is no Python file")

    module = module_from_spec(spec)
    # Listed before it runs, since dataclasses and pickle look a class's module up by name.
    sys.modules[name] = module
    try:
        with registering_from(f"file {file}"):
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InvalidPlugin(
            f"the plug-in {path} failed: {type(error).__name__}: {error}"
        ) from error


def loaded_files() -> tuple[str, ...]:
    """Return the absolute paths of the files that `load_file` has run in this process."""
    modules = [module for name, module in sys.modules.items() if name.startswith(_MODULE_PREFIX)]
    return tuple(module.__file__ for module in modules if module.__file__ is not None)


class LoadedFiles:
    """The files that `load_file` has run in this process; unpickling runs them elsewhere.

    A new process knows the modules that it can import, but no file that the user has named. An
    instance that is pickled before objects of such a file makes them readable there: pickle
    restores the elements of a tuple in their order.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_files, (loaded_files(),)


def _load_files(paths: Sequence[str]) -> LoadedFiles:
    for path in paths:
        load_file(path)
    return LoadedFiles()


@contextmanager
def registering_from(origin: str) -> Iterator[None]:
    """Record `origin` as the source of whatever is registered in a `with` block."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def current_origin() -> str | None:
    """Return which plug-in is being imported; None outside of imports."""
    return _origin.get()


def distribution_of(entry_point: EntryPoint) -> str:
    """Return the origin of an entry point's registrations."""
    distribution = entry_point.dist
    if distribution is None:
        return f"module {entry_point.module}"
    return f"distribution {distribution.name}"
