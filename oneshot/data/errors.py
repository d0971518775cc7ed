"""Errors of data sets."""

from __future__ import annotations

from spaces.errors import PathfitError


class InvalidData(PathfitError):
    """A data set is missing or broken; the message names the files and folders that were tried."""


class UnreadableImage(PathfitError):
    """An image file cannot be decoded."""
