"""Errors that a user can be shown in one sentence."""

from __future__ import annotations

from collections.abc import Iterable


class PathfitError(Exception):
    """Base of all errors that the command line prints as one line and HTTP answers as 4xx.

    Example:
        >>> import spaces
        >>> try:
        ...     spaces.get("nasbench201").architecture([0, 0])
        ... except spaces.PathfitError as error:
        ...     print(error)
        nasbench201 has 6 choices; 2 codes were given
    """


class PathfitWarning(UserWarning):
    """A warning that is meant for users; commands hide those of libraries."""


class UnknownName(PathfitError):
    """A name that is not registered.

    Args:
        kind: Kind of the entry that was looked up, such as "space".
        name: Name that is not registered.
        known: Names that exist.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str]):
        self.kind = kind
        self.name = name
        self.known = tuple(known)
        listed = ", ".join(self.known) if self.known else "none"
        super().__init__(
            f"unknown {kind} {name!r}; available: {listed}{near_miss(name, self.known)}"
        )


def near_miss(name: object, names: Iterable[str]) -> str:
    """Return "; did you mean 'NAME'?" for the name nearest to a wrong one, or nothing."""
    # Imported on demand: only errors need it.
    import difflib

    matches = difflib.get_close_matches(str(name), list(names), n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


class InvalidParameter(PathfitError):
    """A parameter of a space whose name or value is not accepted."""


class InvalidArchitecture(PathfitError):
    """An architecture that does not belong to its space; the choice at fault is named."""


class InvalidBlock(PathfitError):
    """A block key that cannot be read."""


class InvalidFile(PathfitError):
    """A file with unexpected content; the path and the fault are named."""


class NoActiveCandidate(PathfitError):
    """A supernet was run before its choices were made."""


class NotAdditive(PathfitError):
    """An expectation was requested of a cost that is not a sum over choices."""


class MissingExtra(PathfitError):
    """A command needs a package of an extra that is not installed.

    Args:
        module: Package that cannot be imported.
        extra: Extra of Pathfit that installs it.
    """

    def __init__(self, module: str, extra: str):
        self.module = module
        self.extra = extra
        super().__init__(
            f"this needs the package {module}, which is not installed: pip install"
            f" 'pathfit[{extra}]'"
        )


class InvalidPlugin(PathfitError):
    """A plug-in that the user named cannot be loaded."""


class ContextExceeded(PathfitError):
    """A text is longer than the context of a decoder."""
