"""The job kind `measure`: what an agent on a device does, after engines have exported for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.admission.tasks import MeasureTask
from service.catalog.files import FileReference, read_table
from service.kinds.base import Context, HandedOver, Outcome
from service.kinds.exporting import exported_blocks
from spaces.errors import PathfitError
from spaces.registry import get


class DeviceAway(PathfitError):
    """The device of a job is no longer there."""


class Measure:
    """The job kind `measure`."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome | HandedOver:
        """Export the blocks of a `MeasureTask` for an agent without torch.

        Raises:
            DeviceAway: The agent was given up, or the task exports nothing, so that it reaches an
                engine for no other reason.
        """
        measuring = MeasureTask.from_dict(task)
        if measuring.gave_up or measuring.export_for is None:
            raise DeviceAway(f"the device that was to measure {measuring.name!r} is away")

        exported = _export(measuring.measuring, context)
        # Whoever requests a table waits for it until the job is cancelled.
        return HandedOver(measuring.export_for, {**measuring.measuring, **exported}, None)


def _export(measuring: Mapping[str, Any], context: Context) -> Mapping[str, Any]:
    """Export all blocks of a space under the conditions of the table to build or to validate."""
    if "table" in measuring:
        table = read_table(context.localize(FileReference(**measuring["table"])))
        conditions, seed = table.conditions, table.seed
    else:
        conditions, seed = measuring["conditions"], int(measuring["seed"])

    space = get(measuring["space"])
    return exported_blocks(space, space.all_blocks, int(conditions["batch"]), seed, context)
