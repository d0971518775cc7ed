"""The registry of objects by name, which all kinds of Pathfit's entries share."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from spaces.errors import InvalidParameter, InvalidPlugin, PathfitError, UnknownName
from spaces.plugins.loading import current_origin, distribution_of, load_entry_points, resolve
from spaces.plugins.options import (
    Option,
    check_options,
    options_of,
    parse_call,
    summary_in_source,
    summary_of,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BUILT_IN = "built in"
"""Origin of the names that Pathfit brings."""

T = TypeVar("T")
Item = TypeVar("Item")


class Registry(Generic[T]):
    """Objects by name: built in, registered by a decorator, or brought by installed packages.

    Args:
        kind: Noun for messages, such as "space".
        group: Group of entry points, such as "pathfit.spaces"; None: packages cannot add names.
        built_in: Name -> "module:attribute", imported on demand; "module" alone where the import
            registers the name.
        aliases: Second name -> name.
        options: Reads the options of an entry; by default keyword-only parameters of its signature.
        invalid: Error for a name or an option that is not accepted.
        broken: Error for an entry point that cannot be loaded.

    Example:
        >>> shapes = Registry[Callable[..., str]]("shape")
        >>> @shapes.register("square")
        ... def square(*, width: int = 1) -> str:
        ...     return f"{width} x {width}"
        >>> shapes.make("square(width=3)")
        '3 x 3'
    """

    def __init__(
        self,
        kind: str,
        group: str | None = None,
        built_in: Mapping[str, str] | None = None,
        *,
        aliases: Mapping[str, str] | None = None,
        options: Callable[[T], dict[str, Option]] = options_of,
        invalid: type[PathfitError] = InvalidParameter,
        broken: type[PathfitError] = InvalidPlugin,
    ):
        self.kind = kind
        self.group = group
        self.aliases = dict(aliases or {})
        self._built_in = dict(built_in or {})
        self._read_options = options
        self._invalid = invalid
        self._broken = broken

        self._objects: dict[str, T] = {}
        # Name -> the entry whose options were read, and its options.
        self._options: dict[str, tuple[T, dict[str, Option]]] = {}
        self._origins: dict[str, str] = {}
        self._entry_points: dict[str, EntryPoint] | None = None

        # Reentrant: a module that registers its entries may list the names meanwhile.
        self._lock = threading.RLock()

    def names(self) -> list[str]:
        """Return all names without aliases: first those built in, in the order of their table."""
        installed = self._installed()
        return list(dict.fromkeys([*self._built_in, *self._objects, *installed]))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __contains__(self, name: object) -> bool:
        name = self.aliases.get(str(name), name)
        # The first two tests spare most look-ups the search for installed packages.
        return name in self._built_in or name in self._objects or name in self.names()

    def get(self, name: str) -> T:
        """Return the object of a name or alias.

        Raises:
            UnknownName: The name is not registered.
            ModuleNotFoundError: A built-in entry needs a package that is not installed.
        """
        canonical = self.aliases.get(name, name)
        if canonical not in self._objects:
            self._load(canonical, name)
        return self._objects[canonical]

    def add(self, name: str, item: T) -> None:
        """Register an object; a name can be taken once.

        Raises:
            ValueError: The name belongs to another object.
        """
        module = _module_of(item)
        target = self._built_in.get(name)
        if target is not None and target.partition(":")[0] != module:
            raise ValueError(self._conflict(name, target.partition(":")[0]))

        origin = BUILT_IN if target is not None else current_origin() or f"module {module}"
        holder = self._objects.get(name)
        if holder is not None:
            # A cell of a notebook that runs a second time may register its entry again.
            is_same = _identity(holder) == _identity(item) and self._origins.get(name) == origin
            if not is_same:
                raise ValueError(self._conflict(name, _module_of(holder)))

        self._objects[name] = item
        self._origins[name] = origin

    def register(self, name: str) -> Callable[[Item], Item]:
        """Return a decorator that registers a function or class under a name.

        Raises:
            ValueError: From the decorator, where the name belongs to another object.
        """

        def decorate(item: Item) -> Item:
            self.add(name, cast(T, item))
            return item

        return decorate

    def is_built_in(self, name: str) -> bool:
        """Return whether Pathfit itself brings a name."""
        return name in self._built_in

    def origin(self, name: str) -> str:
        """Return where an entry comes from: built in, "distribution NAME" or "file PATH"."""
        canonical = self.aliases.get(name, name)
        if canonical in self._built_in:
            return BUILT_IN
        if canonical not in self._origins and canonical in self._installed():
            return distribution_of(self._installed()[canonical])
        self.get(canonical)
        return self._origins[canonical]

    def summary(self, name: str) -> str:
        """Return an entry's one-line description, where possible without importing the entry."""
        canonical = self.aliases.get(name, name)
        if canonical not in self._objects:
            target = self._built_in.get(canonical)
            if target is None and canonical in self._installed():
                target = self._installed()[canonical].value
            if target is not None and ":" in target:
                return summary_in_source(target)
        return summary_of(inspect.getdoc(self.get(canonical)))

    def options(self, name: str) -> dict[str, Option]:
        """Return the options of an entry by name; raises like `get`."""
        item = self.get(name)
        # Signatures and docstrings are slow to read, and a search asks for its space many times.
        entry = self._options.get(name)
        if entry is None or entry[0] is not item:
            entry = item, self._read_options(item)
            self._options[name] = entry
        return dict(entry[1])

    def parse(
        self, text: str, options: Mapping[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Split a name with options in parentheses; `options` override those in the text.

        Raises:
            InvalidParameter, or this registry's error: The text cannot be read.
        """
        try:
            name, written = parse_call(text)
        except ValueError as error:
            raise self._invalid(
                f"cannot read the {self.kind} {text!r:.80}; options are written like"
                " 'NAME(option=1)'"
            ) from error
        return name, {**written, **(options or {})}

    def check(self, name: str, options: Mapping[str, Any]) -> None:
        """Check options of an entry.

        Raises:
            InvalidParameter, or this registry's error: The first option that the entry does not
                have, or whose value is of another kind than its default.
        """
        check_options(name, options, self.options(name), self._invalid)

    def make(self, text: str, *args: Any, **options: Any) -> Any:
        """Call the factory of a name, such as `evolution(population=20)`.

        Args:
            text: Name, with options in parentheses or without.
            args: Positional arguments of the factory.
            options: Options that override those in the text.

        Raises:
            UnknownName: The name is not registered.
            InvalidParameter, or this registry's error: An option is not accepted.
        """
        name, merged = self.parse(text, options)
        self.check(name, merged)
        return cast(Callable[..., Any], self.get(name))(*args, **merged)

    @contextmanager
    def preserved(self) -> Iterator[None]:
        """Undo the registrations of a `with` block at its end, as tests need."""
        objects = dict(self._objects)
        origins = dict(self._origins)
        self._entry_points = None
        try:
            yield
        finally:
            # Built-in entries stay: a module registers its entry only on its first import.
            built_in = {
                name: item for name, item in self._objects.items() if name in self._built_in
            }
            self._objects = {**objects, **built_in}
            self._origins = {**origins, **dict.fromkeys(built_in, BUILT_IN)}
            self._entry_points = None

    def _conflict(self, name: str, module: str) -> str:
        return f"the {self.kind} {name!r} is registered already, by {module}"

    def _load(self, canonical: str, name: str) -> None:
        target = self._built_in.get(canonical)
        if target is not None:
            # An ImportError passes through: the command line names the extra that is missing.
            item = resolve(target)
            if ":" in target:
                self._objects.setdefault(canonical, cast(T, item))
            return

        entry_point = self._installed().get(canonical)
        # Looking for entry points imports modules, one of which may have registered the name.
        if canonical in self._objects:
            return
        if entry_point is None:
            raise UnknownName(self.kind, name, sorted([*self.names(), *self.aliases]))

        try:
            self._objects[canonical] = entry_point.load()
        except Exception as error:
            raise self._broken(
                f"the {self.kind} {canonical!r} of {entry_point.value} cannot be loaded: {error}"
            ) from error

        self._origins[canonical] = distribution_of(entry_point)

    def _installed(self) -> dict[str, EntryPoint]:
        """Return the entry points that name an object, after importing those that name a module."""
        with self._lock:
            if self._entry_points is None:
                # Assigned first, so that the search does not start again from within.
                self._entry_points = {}
                if self.group is not None:
                    reserved = {*self._built_in, *self._objects}
                    self._entry_points = load_entry_points(self.group, reserved)
            return self._entry_points


def _module_of(item: object) -> str:
    return str(getattr(item, "__module__", type(item).__module__))


def _identity(item: object) -> tuple[str, str]:
    qualified_name = getattr(item, "__qualname__", type(item).__qualname__)
    return _module_of(item), str(qualified_name)
