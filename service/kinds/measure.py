"""The job kind `measure`: what an agent on a device does; engines only report what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.admission.tasks import MeasureTask
from service.kinds.base import Context, Outcome
from spaces.errors import PathfitError


class DeviceAway(PathfitError):
    """The device of a job is no longer there."""


class Measure:
    """The job kind `measure`."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome:
        """Fail a `MeasureTask`: it reaches an engine only where its agent was given up."""
        measuring = MeasureTask.from_dict(task)
        raise DeviceAway(f"the device that was to measure {measuring.name!r} is away")
