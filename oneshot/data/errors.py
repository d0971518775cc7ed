"""Errors of data sets."""

from __future__ import annotations

from spaces.errors import PathfitError


class InvalidData(PathfitError):
    """A data set that is missing or is not what it should be: what was looked for, and where, is
    named.
    """


class UnreadableImage(PathfitError):
    """An image file that cannot be decoded."""
