"""Checkpoints: all that a training needs to go on as if it had never stopped."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from oneshot.errors import InvalidRun
from oneshot.training.algorithm import Algorithm
from oneshot.training.engine import Engine
from spaces.errors import InvalidFile
from spaces.files import replacing

FILE = "last.ckpt"
_FORMAT = 1


def save(
    path: Path, algorithm: Algorithm, engine: Engine, *, step: int, steps: int, seed: int
) -> None:
    """Write a checkpoint, all or nothing.

    The position in the data and the state of every generator follow from the seed and the step.

    Args:
        path: of the file.
        algorithm: its model and state are kept.
        engine: its optimisers, schedules and loss scale are kept.
        step: updates that are done.
        steps: of the whole training.
        seed: of the training.

    Raises:
        InvalidFile: it cannot be written, such as on a full disk.
    """
    state = {
        "format": _FORMAT,
        "step": step,
        "training": _identity(algorithm, steps, seed),
        "model": algorithm.model.state_dict(),
        "task": algorithm.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in engine.optimizers],
        "schedules": [
            None if schedule is None else schedule.state_dict() for schedule in engine.schedules
        ],
        "precision": engine.fabric.strategy.precision.state_dict(),
    }
    try:
        # To a file of Python's: torch does not say why it cannot write to its own.
        with replacing(path) as beside, open(beside, "wb") as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:
        reason = error if isinstance(error, OSError) else error.__context__
        if not isinstance(reason, OSError):
            raise
        raise InvalidFile(f"cannot write {path}: {reason.strerror}") from reason


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, on the processor.

    Raises:
        InvalidRun: the file is no checkpoint of a training.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["format"] != _FORMAT:
            raise KeyError("format")
    except (
        OSError,
        EOFError,
        RuntimeError,
        pickle.UnpicklingError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise InvalidRun(
            f"{path} is no checkpoint of a training; remove it to begin anew"
        ) from error
    found: dict[str, Any] = state
    return found


def restore(path: Path, algorithm: Algorithm, engine: Engine, *, steps: int, seed: int) -> int:
    """Take a checkpoint over; gives the number of updates that are done.

    Raises:
        InvalidRun: the checkpoint is of another training.
    """
    state = read(path)
    wanted = _identity(algorithm, steps, seed)
    for name, value in wanted.items():
        if state["training"].get(name) != value:
            raise InvalidRun(
                f"{path} is of a training with {name} {state['training'].get(name)!r}, not"
                f" {value!r}"
            )
    try:
        algorithm.model.load_state_dict(state["model"])
        algorithm.load_state_dict(state["task"])
        for optimizer, kept in zip(engine.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        for schedule, kept in zip(engine.schedules, state["schedules"], strict=True):
            if schedule is not None:
                schedule.load_state_dict(kept)
        precision = engine.fabric.strategy.precision
        if bool(state["precision"]) == bool(precision.state_dict()):
            precision.load_state_dict(state["precision"])
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise InvalidRun(f"{path} does not fit this model: {str(error).splitlines()[0]}") from error
    return int(state["step"])


def _identity(algorithm: Algorithm, steps: int, seed: int) -> dict[str, Any]:
    return {"seed": seed, "steps": steps, **algorithm.recipe.to_dict()}
