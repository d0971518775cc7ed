"""Read and write the folder of a training: its settings, its checkpoint and its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from oneshot.data.images import ImageData
from oneshot.data.registry import reload
from oneshot.data.request import title
from oneshot.errors import InvalidRun
from oneshot.perturbations.conditions import Conditions, texts_without_folders
from oneshot.run_settings import NETWORK, SUPERNET, RunSettings
from oneshot.tasks.registry import make_task
from oneshot.tasks.task import Task
from oneshot.training.passes import Passes
from spaces.architecture import Architecture
from spaces.errors import PathfitError
from spaces.files import digest, read_text, replacing, write_text
from spaces.registry import get
from spaces.space import SearchSpace

SETTINGS = "run.json"
WEIGHTS = "weights.safetensors"

_MAY_DIFFER = ("command", "version", "execution", "revision")
"""Settings that may differ when a run is resumed."""


@dataclass(frozen=True)
class Run:
    """Folder of a training.

    Args:
        folder: Folder of the run's files.
        settings: Content of run.json.
    """

    folder: Path
    settings: RunSettings

    @property
    def weights(self) -> Path:
        """File of the trained weights, which exists after the training has finished."""
        return self.folder / WEIGHTS

    def weights_digest(self) -> str:
        """Return the first 16 hexadecimal digits of the SHA-256 of the trained weights."""
        return digest(self.weights)[:16]

    @property
    def space(self) -> SearchSpace:
        """Space of the supernet or network."""
        return get(self.settings.space)

    @property
    def task(self) -> Task:
        """Task of the training."""
        return make_task(self.settings.task, self.space, self.settings.architecture)

    @property
    def conditions(self) -> Conditions | None:
        """Perturbations that the training is under; None: none."""
        return Conditions.parse(self.settings.under) if self.settings.under else None

    def passes(self, data: ImageData) -> Passes:
        """Return new forward passes of the training.

        Args:
            data: Data set of the run.
        """
        conditions = self.conditions
        return Passes(self.task, None if conditions is None else conditions.for_data(data))

    @property
    def architecture(self) -> Architecture:
        """Architecture of a network's run; a supernet's run raises InvalidRun."""
        if self.settings.architecture is None:
            kind = self.settings.kind
            raise InvalidRun(f"{self.folder} holds the run of a {kind}; a network is needed")
        return self.settings.architecture

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one image (channels, height, width)."""

        # The resolution may be a choice, so a network has an input shape of its own.
        if self.settings.kind == NETWORK:
            return self.space.example_shape_of(self.architecture)
        return self.space.input_shape

    def data(self) -> ImageData:
        """Return the data set of the run with its splits."""
        return reload(self.settings.data, self.input_shape)

    def build(self) -> nn.Module:
        """Return the run's model with initial weights from its seed."""
        generator = torch.Generator().manual_seed(self.settings.seed)
        classes = self.settings.num_classes
        if self.settings.kind == SUPERNET:
            return self._build_supernet(classes, generator)
        return self.space.network(self.architecture, classes, generator)

    def _build_supernet(self, classes: int, generator: torch.Generator) -> nn.Module:
        from spaces.modules.affine import drop_affine, learn_affine

        supernet = self.space.supernet(classes, generator)

        # The method decides on scale and shift: SPOS trains without them in every space.
        if self.settings.affine:
            learn_affine(supernet)
        elif self.space.affine_supernet:
            drop_affine(supernet)
        return supernet

    def load(self) -> nn.Module:
        """Return the run's model with its trained weights, in evaluation mode.

        Raises:
            InvalidRun: The training has not finished, or the weights belong to another model.
        """

        # Imported on demand: commands that only read settings start faster.
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not self.weights.exists():
            raise InvalidRun(
                f"{self.folder}: the training is not done; go on with the same command and --resume"
            )

        model = self.build()
        try:
            model.load_state_dict(load_file(self.weights))
        except (SafetensorError, RuntimeError) as error:
            raise InvalidRun(
                f"{self.weights}: not the weights of this run: {str(error).splitlines()[0]}"
            ) from error
        return model.eval()

    def save(self, model: nn.Module) -> None:
        """Write the weights atomically.

        Args:
            model: Trained model of the run.
        """
        from safetensors.torch import save

        # The presence of the file marks a finished training, so it must never be incomplete.
        with replacing(self.weights) as temporary:
            # safetensors refuses tensors that are not contiguous.
            temporary.write_bytes(
                save({name: value.contiguous() for name, value in model.state_dict().items()})
            )


def without_folders(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's settings for publication, without paths of the machine.

    The command is removed, and the paths of the data set, of the supernet that the training began
    with and of the source of a transferred attack are shortened to names. A training cannot be
    resumed from these settings.

    Args:
        settings: Content of run.json.
    """
    published = {name: value for name, value in settings.items() if name != "command"}
    published["data"] = {**settings["data"], "name": title(settings["data"]["name"])}
    if settings.get("init"):
        published["init"] = {**settings["init"], "run": Path(settings["init"]["run"]).name}
    if settings.get("under"):
        published["under"] = texts_without_folders(settings["under"])
    return published


def read_run(folder: str | Path, kind: str | None = None) -> Run:
    """Read the run of a folder.

    Args:
        folder: Folder that a training wrote.
        kind: Required kind, `supernet` or `network`; None accepts both.

    Raises:
        InvalidRun: The folder has no run, or a run of another kind.
    """
    folder = Path(folder)
    try:
        settings = RunSettings.from_dict(json.loads(read_text(folder / SETTINGS)))
    except (PathfitError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise InvalidRun(f"{folder} holds no run of Pathfit's: {error}") from error
    if kind is not None and settings.kind != kind:
        raise InvalidRun(f"{folder} holds the run of a {settings.kind}; a {kind} is needed")
    return Run(folder, settings)


def begin(folder: str | Path, settings: RunSettings, resume: bool) -> Run:
    """Begin a new run, or resume the one in the folder.

    Args:
        folder: Folder of the run; a new run writes its settings to it.
        settings: Settings of the run.
        resume: Whether a run in the folder with the same settings is resumed.

    Raises:
        InvalidRun: The folder already has a run, and `resume` is false or the settings differ.
    """
    folder = Path(folder)
    if (folder / SETTINGS).exists():
        run = read_run(folder)
        if not resume:
            raise InvalidRun(
                f"{folder} holds a run already; choose another folder, or go on with --resume"
            )

        # Resuming with other settings would mix two trainings.
        recorded = run.settings.to_dict()
        for key, value in _comparable(settings.to_dict(), recorded).items():
            if key not in _MAY_DIFFER and recorded.get(key) != value:
                raise InvalidRun(
                    f"{folder} holds a run with {key} {recorded.get(key)!r}, not {value!r}"
                )
        return run

    write_settings(folder, settings)
    return Run(folder, settings)


def _comparable(settings: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without those that the recorded ones are too old to have.

    A resumed run goes on with what it was trained with, not with defaults that came later.
    """
    comparable = {key: value for key, value in settings.items() if key != "affine"}
    if "affine" in recorded:
        comparable["affine"] = settings.get("affine", False)
    if "options" in settings and "options" in recorded:
        names = recorded["options"]
        comparable["options"] = {
            name: value for name, value in settings["options"].items() if name in names
        }
    return comparable


def write_settings(folder: Path, settings: RunSettings) -> None:
    """Write a run's settings to its folder."""
    write_text(folder / SETTINGS, json.dumps(settings.to_dict(), indent=1) + "\n")
