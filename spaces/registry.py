"""Spaces by name: `get`, `available` and the decorator that registers one."""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any, Protocol

from spaces.errors import InvalidParameter, UnknownName
from spaces.plugins import load_installed
from spaces.space import SearchSpace


class SpaceFactory(Protocol):
    """Builds a space under its canonical name; the keyword defaults are the preset."""

    def __call__(self, name: str, /, **parameters: Any) -> SearchSpace: ...


_FACTORIES: dict[str, Callable[..., SearchSpace]] = {}
ZOO = (
    "spos",
    "proxylessnas",
    "ofa",
    "fbnet",
    "nasbench_macro",
    "nasbench201",
    "nasbench101",
    "darts",
)


def register_space(name: str) -> Callable[[Callable[..., SearchSpace]], Callable[..., SearchSpace]]:
    """Register a function `(canonical_name, **parameters) -> SearchSpace` under `name`; a name is
    taken once.

    Raises:
        InvalidParameter: when the function is given, if it does not take a canonical name alone.
    """

    def register(factory: Callable[..., SearchSpace]) -> Callable[..., SearchSpace]:
        if name in _FACTORIES:
            raise ValueError(
                f"the space {name!r} is registered already, by {_FACTORIES[name].__module__}"
            )
        try:
            inspect.signature(factory).bind(name)
        except TypeError as error:
            raise InvalidParameter(
                f"what builds the space {name!r} must take its canonical name alone, and have"
                f" defaults for all else: def {getattr(factory, '__name__', 'build')}(name):"
                f" {error}"
            ) from error
        _FACTORIES[name] = factory
        return factory

    return register


def available() -> list[str]:
    """The names of all registered spaces."""
    _load()
    return sorted(_FACTORIES)


def get(name: str, **parameters: Any) -> SearchSpace:
    """The space of a name, such as `spos` or `spos(input_size=160)`.

    Args:
        name: a registered name, with parameters in parentheses or without.
        parameters: override the preset and what the name says.

    Raises:
        UnknownName: no such space; the names that exist.
        InvalidParameter: an unknown parameter, or a value of the wrong kind.
    """
    _load()
    base, given = _parse(name)
    if base not in _FACTORIES:
        raise UnknownName("space", base, sorted(_FACTORIES))
    defaults = _defaults(_FACTORIES[base])
    given.update(parameters)
    for key, value in given.items():
        _check(base, key, value, defaults)
    changed = tuple(
        sorted(
            (key, _plain(value)) for key, value in given.items() if _plain(value) != defaults[key]
        )
    )
    return _build(base, changed)


@functools.lru_cache(maxsize=64)
def _build(base: str, changed: tuple[tuple[str, Any], ...]) -> SearchSpace:
    arguments = ", ".join(f"{key}={value!r}" for key, value in changed)
    return _FACTORIES[base](f"{base}({arguments})" if changed else base, **dict(changed))


def _parse(name: str) -> tuple[str, dict[str, Any]]:
    if "(" not in name:
        return name, {}
    base, _, rest = name.partition("(")
    try:
        call = ast.parse(f"f({rest}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError
        given = {
            keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg
        }
        if len(given) < len(call.keywords):  # a parameter twice, or **mapping
            raise ValueError
        return base, given
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise InvalidParameter(
            f"cannot read the space {name!r:.80}; parameters are written like"
            " 'spos(input_size=160)'"
        ) from error


def _defaults(factory: Callable[..., SearchSpace]) -> dict[str, Any]:
    parameters = inspect.signature(factory).parameters.values()
    return {
        item.name: item.default
        for item in parameters
        if item.kind is inspect.Parameter.KEYWORD_ONLY
    }


def _check(base: str, key: str, value: Any, defaults: dict[str, Any]) -> None:
    if key not in defaults:
        close = difflib.get_close_matches(key, defaults, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InvalidParameter(
            f"{base} has no parameter {key!r}; it has {', '.join(defaults)}{hint}"
        )
    plain = _plain(value)
    if not _like(plain, defaults[key]):
        kind = type(defaults[key]).__name__
        raise InvalidParameter(
            f"{base}: {key} must be of the kind {kind}, like {defaults[key]!r}, not {value!r}"
        )
    numbers = plain if isinstance(plain, tuple) else (plain,)
    if any(
        isinstance(number, int | float) and not isinstance(number, bool) and number <= 0
        for number in numbers
    ):
        raise InvalidParameter(f"{base}: {key} must be positive, not {value!r}")


def _like(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, tuple) and all(
            _like(item, default[0]) for item in value if default
        )
    return type(value) is type(default) or (type(default) is float and type(value) is int)


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _load() -> None:
    _load_zoo()
    load_installed()


@functools.cache
def _load_zoo() -> None:
    for module in ZOO:
        importlib.import_module(f"spaces.zoo.{module}")
