"""Errors of measurements."""

from __future__ import annotations

from spaces.errors import PathfitError


class DeviceNotFound(PathfitError):
    """A device that this machine does not have; the message says what exists."""


class DeviceOutOfMemory(PathfitError):
    """The device's memory does not hold what was to be measured."""
