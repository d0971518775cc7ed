"""Files that a search leaves in its run's folder: the architecture, its probabilities and costs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spaces.files import write_text

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.run import Run
    from spaces.architecture import Architecture
    from spaces.modules.supernet import Supernet

ARCHITECTURE = "architecture.json"
PROBABILITIES = "probabilities.json"
REPORT = "architecture-report.json"
NETWORK = "network"
"""Folder of the resulting network's run within the search's folder."""

_RECALIBRATION_BATCHES = 20
_RECALIBRATION_BATCH_SIZE = 64


def write(folder: Path, report: Mapping[str, Any], architecture: Architecture) -> None:
    """Write the architecture, its probabilities, and the report with its costs.

    Args:
        folder: Folder of the run.
        report: Report of the algorithm (`ArchitectureAlgorithm.report`).
        architecture: Architecture that the search arrived at.
    """
    write_text(folder / ARCHITECTURE, architecture.to_json() + "\n")
    write_text(folder / PROBABILITIES, json.dumps(report["probabilities"], indent=1) + "\n")
    write_text(folder / REPORT, json.dumps(report, indent=1) + "\n")


def write_network(
    run: Run, supernet: Supernet, architecture: Architecture, data: ImageData
) -> None:
    """Write an architecture's network with the supernet's weights as a run for `test` and `export`.

    Args:
        run: Run of the search; the network's run becomes a folder within its folder.
        supernet: Trained supernet.
        architecture: Architecture that the search arrived at.
        data: Data set of the run.
    """
    from oneshot.evaluation.recalibration import recalibrate
    from oneshot.retraining.supernet_weights import inherit
    from oneshot.run import Run, write_settings
    from oneshot.run_settings import NETWORK as NETWORK_KIND

    preprocessing = None if data.preprocessing is None else data.preprocessing.to_dict()
    settings = dataclasses.replace(
        run.settings,
        kind=NETWORK_KIND,
        algorithm=None,
        sampler=None,
        search=None,
        augmentation=None,
        architecture=architecture,
        classes=data.classes,
        preprocessing=json.loads(json.dumps(preprocessing)),
    )
    network_run = Run(run.folder / NETWORK, settings)
    network = network_run.build()
    inherit(network, supernet, architecture)

    # The supernet's statistics of normalisation are those of all paths, not of this one.
    batch_size = min(_RECALIBRATION_BATCH_SIZE, len(data.train))
    batches = data.train.epochs(batch_size, run.settings.seed)
    inputs = (inputs for inputs, _ in islice(batches, _RECALIBRATION_BATCHES))
    recalibrate(network, inputs, task=run.task)

    write_settings(network_run.folder, settings)
    network_run.save(network)
