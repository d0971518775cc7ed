"""Errors of spaces of smaller versions of a user's network."""

from __future__ import annotations

from spaces.errors import PathfitError


class InvalidNetwork(PathfitError):
    """A network, or the file that builds it, of which no space can be made; the fault is named.

    Example:
        >>> from spaces.elastic import build_network
        >>> try:
        ...     build_network("mymodel.py")
        ... except InvalidNetwork as error:
        ...     print(error)
        'mymodel.py' names no network; write FILE.py:FUNCTION, such as mymodel.py:build
    """


class FailedRun(InvalidNetwork):
    """A network fails in its forward method.

    Args:
        error: Error of the user's code, or of torch.
        path: Path of the innermost module that was running; empty for the network itself.
    """

    def __init__(self, error: Exception, path: str):
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0]:.200}" if lines else type(error).__name__
        super().__init__(f"{reason} (in the module {path})" if path else reason)


class UnequalCut(PathfitError):
    """A cut network differs from the original without those channels.

    It does not reach users: the choice at fault is left out of the space, with this reason.
    """
