"""Pictures of test images with the results of a searched network, by its supernet's weights.

`python -m service.results.found_picture FILE` reads a request from standard input and writes a PNG.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from service.catalog.files import FileReference
from service.results.processes import run_apart
from spaces.architecture import Architecture

BATCH, BATCHES = 64, 4
"""Training images by which the statistics of the network's normalisation are recalibrated."""


def draw(architecture: Architecture, supernet: FileReference) -> bytes:
    """Draw test images with their labels and with a network's results.

    Args:
        architecture: Architecture of the network.
        supernet: Weights of a trained supernet of its space.

    Returns:
        The PNG.

    Raises:
        Problem: The task of the supernet has no pictures, or drawing fails or takes too long.
        ChangedFile: The weights have changed.
    """
    request = {
        "architecture": architecture.to_dict(),
        "folder": str(supernet.checked().parent),
    }
    module = "service.results.found_picture"
    return run_apart(module, request, "found.png", "the picture", "not-drawable")


def main() -> None:
    """Draw the picture of the request on standard input."""
    import torch

    from oneshot.data.request import title
    from oneshot.errors import InvalidOption
    from oneshot.evaluation.recalibration import recalibrate
    from oneshot.retraining.network_training import plain_batches
    from oneshot.retraining.result_sheet import result_sheet
    from oneshot.run import read_run
    from spaces.errors import PathfitError
    from spaces.modules.supernet import Supernet

    request = json.loads(sys.stdin.read())
    run = read_run(request["folder"], "supernet")
    task = run.task
    if not task.has_pictures:
        raise InvalidOption(f"results of the task {task.name} have no pictures")

    supernet = run.load()
    assert isinstance(supernet, Supernet)
    supernet.activate(Architecture.from_dict(request["architecture"]))
    try:
        data = run.data()
    except PathfitError as error:
        # Not the error itself, which may have a path of this machine.
        name = title(run.settings.data["name"])
        raise SystemExit(f"the data set {name} of the supernet cannot be read") from error

    batches = plain_batches(data.train, BATCH, BATCHES, 0, torch.device("cpu"))
    recalibrate(supernet, batches, supernet.path(), task)
    result_sheet(supernet, data, task, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
