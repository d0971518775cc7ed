"""Runs: the folder of a training, with its settings, its checkpoint and its weights."""

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
from oneshot.run_settings import NETWORK, SUPERNET, RunSettings
from spaces.architecture import Architecture
from spaces.errors import PathfitError
from spaces.files import digest, read_text, replacing, write_text
from spaces.registry import get
from spaces.space import SearchSpace

SETTINGS, WEIGHTS = "run.json", "weights.safetensors"

_MAY_DIFFER = ("command", "version", "execution")
"""What a run that goes on may have otherwise than when it began."""


@dataclass(frozen=True)
class Run:
    """A training's folder.

    Args:
        folder: Folder of the run's files.
        settings: Content of run.json.
    """

    folder: Path
    settings: RunSettings

    @property
    def weights(self) -> Path:
        """The file of the trained weights; it exists once the training is done."""
        return self.folder / WEIGHTS

    def weights_digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the trained weights."""
        return digest(self.weights)[:16]

    @property
    def space(self) -> SearchSpace:
        """The space that was trained on."""
        return get(self.settings.space)

    @property
    def architecture(self) -> Architecture:
        """The architecture of a network's run."""
        if self.settings.architecture is None:
            kind = self.settings.kind
            raise InvalidRun(f"{self.folder} holds the run of a {kind}; a network is needed")
        return self.settings.architecture

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one image: of a network its own, for the resolution may be a choice; else the
        space's.
        """
        if self.settings.kind == NETWORK:
            return self.space.input_shape_of(self.architecture)
        return self.space.input_shape

    def data(self) -> ImageData:
        """The run's data set with its splits."""
        return reload(self.settings.data, self.input_shape)

    def build(self) -> nn.Module:
        """The run's model with fresh weights, drawn from its seed."""
        generator = torch.Generator().manual_seed(self.settings.seed)
        classes = self.settings.num_classes
        if self.settings.kind == SUPERNET:
            return self.space.supernet(classes, generator)
        return self.space.network(self.architecture, classes, generator)

    def load(self) -> nn.Module:
        """The run's model with its trained weights, in evaluation mode.

        Raises:
            InvalidRun: the training is not done, or the weights are not this model's.
        """
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
        """Write the weights, all or nothing."""
        from safetensors.torch import save

        with replacing(self.weights) as beside:
            beside.write_bytes(
                save({name: value.contiguous() for name, value in model.state_dict().items()})
            )


def without_folders(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A run's settings for others to read: they do not tell where its maker keeps things.

    The command is left out, and of the data set and the supernet that a training began with only
    their names are left; such settings are no longer those that a training goes on with.
    """
    found = {name: value for name, value in settings.items() if name != "command"}
    found["data"] = {**settings["data"], "name": title(settings["data"]["name"])}
    if settings.get("init"):
        found["init"] = {**settings["init"], "run": Path(settings["init"]["run"]).name}
    return found


def read_run(folder: str | Path, kind: str | None = None) -> Run:
    """The run of a folder.

    Args:
        folder: what a training wrote.
        kind: `supernet` or `network` where only one will do.

    Raises:
        InvalidRun: there is no run, or one of another kind.
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
    """A new run's folder, or with `resume` the one that holds a run of the same settings.

    Raises:
        InvalidRun: the folder holds a run already and `resume` is not given, or its settings
            differ.
    """
    folder = Path(folder)
    if (folder / SETTINGS).exists():
        run = read_run(folder)
        if not resume:
            raise InvalidRun(
                f"{folder} holds a run already; choose another folder, or go on with --resume"
            )
        recorded = run.settings.to_dict()
        for key, value in settings.to_dict().items():
            if key not in _MAY_DIFFER and recorded.get(key) != value:
                raise InvalidRun(
                    f"{folder} holds a run with {key} {recorded.get(key)!r}, not {value!r}"
                )
        return run
    write_settings(folder, settings)
    return Run(folder, settings)


def write_settings(folder: Path, settings: RunSettings) -> None:
    """Write a run's settings to its folder."""
    write_text(folder / SETTINGS, json.dumps(settings.to_dict(), indent=1) + "\n")
