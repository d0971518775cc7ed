"""Errors of measurements."""

from __future__ import annotations

from spaces.errors import PathfitError


class DeviceNotFound(PathfitError):
    """A device that this machine does not have; the message says what exists."""


class DeviceOutOfMemory(PathfitError):
    """The device's memory does not hold what was to be measured."""


class InvalidBackend(PathfitError):
    """A plug-in that is no backend."""


class UnsupportedConditions(PathfitError):
    """A backend cannot run under these conditions; the condition and what it can do are named."""


class IncompleteMeasurement(PathfitError):
    """The budget ended before every block was measured."""


class UploadFailed(PathfitError):
    """A service did not take a table; its answer is given."""
