"""Lazy exports of a package (PEP 562), so that importing it costs nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def exports(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package.

    Args:
        package: Value of `__name__` in the package.
        names: Public name -> module that defines it, relative to the package (`".space"`), or
            `".space:"` where the public name is the module itself.
    """

    def get(name: str) -> object:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")

        # A trailing colon means the module itself.
        target = names[name]
        module = importlib.import_module(target.removesuffix(":"), package)
        value = module if target.endswith(":") else getattr(module, name)
        # From now on the attribute is found without `__getattr__`.
        setattr(sys.modules[package], name, value)

        return value

    def sorted_names() -> list[str]:
        return sorted(names)

    return get, sorted_names
