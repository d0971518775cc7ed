"""Errors of measurements."""

from __future__ import annotations

from spaces.errors import PathfitError


class DeviceNotFound(PathfitError):
    """This machine does not have the device; the message lists its devices."""


class DeviceOutOfMemory(PathfitError):
    """The device's memory does not suffice for the measurement."""


class InvalidInput(PathfitError):
    """A requested shape or type is none that the model's input has."""


class InvalidBackend(PathfitError):
    """A plug-in is no backend."""


class UnsupportedConditions(PathfitError):
    """A backend cannot run under the conditions; the message names them and the supported ones."""


class IncompleteMeasurement(PathfitError):
    """The build ended before every block was measured."""


class UploadFailed(PathfitError):
    """A service did not accept a table; the message quotes its answer."""


class ServiceAway(PathfitError):
    """A service does not answer an agent now; it is worth another try."""


class AgentRefused(PathfitError):
    """A service refuses what an agent requests; the message quotes its answer."""


class JobLost(PathfitError):
    """A job is no longer its agent's: it was cancelled, or another attempt runs it."""


class InvalidTask(PathfitError):
    """A measuring job that cannot be done on a device; the message names what would do."""
