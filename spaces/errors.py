"""Errors that a user can be told in one sentence."""

from __future__ import annotations

from collections.abc import Iterable


class PathfitError(Exception):
    """Base of all errors that the command line prints as one line and HTTP answers as 4xx."""


class UnknownName(PathfitError):
    """A name that is not registered.

    Args:
        kind: what was looked for, such as "space".
        name: the name asked for.
        known: the names that exist.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str]):
        self.kind, self.name, self.known = kind, name, tuple(known)
        listed = ", ".join(self.known) if self.known else "none"
        super().__init__(
            f"unknown {kind} {name!r}; there is: {listed}{near_miss(name, self.known)}"
        )


def near_miss(name: object, known: Iterable[str]) -> str:
    """Return "; did you mean 'NAME'?" for the known name nearest to a wrong one, or nothing."""
    # Imported on demand: only errors need it.
    import difflib

    matches = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


class InvalidParameter(PathfitError):
    """A parameter of a space whose name or value is not accepted."""


class InvalidArchitecture(PathfitError):
    """An architecture that does not belong to its space: a missing, unexpected or unknown part is
    named.
    """


class InvalidBlock(PathfitError):
    """A block key that cannot be read."""


class InvalidFile(PathfitError):
    """A file whose content is not what was expected; the path and the fault are named."""


class NoActiveCandidate(PathfitError):
    """A supernet was run before its choices were made."""


class NotAdditive(PathfitError):
    """A cost that is not a sum over choices was asked for its expectation."""


class MissingExtra(PathfitError):
    """A command needs a package that the installed extras do not bring."""

    def __init__(self, module: str, extra: str):
        self.module, self.extra = module, extra
        super().__init__(
            f"this needs the package {module}, which is not installed: pip install"
            f" 'pathfit[{extra}]'"
        )


class InvalidPlugin(PathfitError):
    """A plug-in that the user named cannot be loaded."""
