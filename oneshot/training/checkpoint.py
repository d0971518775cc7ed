"""Checkpoints: the state from which a training resumes as if it had never stopped."""

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
    """Write a checkpoint atomically.

    The position in the data and the states of generators follow from the seed and the step.

    Args:
        path: File of the checkpoint.
        algorithm: Algorithm whose model and state are saved.
        engine: Engine whose optimizers, schedules and loss scale are saved.
        step: Number of updates that are done.
        steps: Number of updates of the whole training.
        seed: Seed of the training.

    Raises:
        InvalidFile: The file cannot be written, for example because the disk is full.
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
    # Absent where no task carries a state, as before states existed.
    carried = algorithm.passes.state_dict()
    if carried is not None:
        state["carried"] = carried

    try:
        # Through a file object of Python: torch's own does not report why writing failed.
        with replacing(path) as temporary, open(temporary, "wb") as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:
        reason = error if isinstance(error, OSError) else error.__context__
        if not isinstance(reason, OSError):
            raise
        raise InvalidFile(f"cannot write {path}: {reason.strerror}") from reason


def read(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, with tensors on the processor.

    Raises:
        InvalidRun: The file is no checkpoint of a training.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
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
            f"{path} is no checkpoint of a training; remove it to start over"
        ) from error

    return state


def restore(path: Path, algorithm: Algorithm, engine: Engine, *, steps: int, seed: int) -> int:
    """Restore a checkpoint and return the number of updates that are done.

    Args:
        path: File of the checkpoint.
        algorithm: Algorithm whose model and state are restored.
        engine: Engine whose optimizers, schedules and loss scale are restored.
        steps: Number of updates of the whole training.
        seed: Seed of the training.

    Raises:
        InvalidRun: The checkpoint is of another training.
    """
    state = read(path)
    for name, value in _identity(algorithm, steps, seed).items():
        if state["training"].get(name) != value:
            raise InvalidRun(
                f"{path} is of a training with {name} {state['training'].get(name)!r}, not"
                f" {value!r}"
            )

    try:
        algorithm.model.load_state_dict(state["model"])
        algorithm.load_state_dict(state["task"])
        algorithm.passes.load_state_dict(state.get("carried"), engine.fabric.device)

        for optimizer, optimizer_state in zip(engine.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(optimizer_state)

        for schedule, schedule_state in zip(engine.schedules, state["schedules"], strict=True):
            if schedule is not None:
                schedule.load_state_dict(schedule_state)

        # A training may resume in another precision; only fp16 has a loss scale.
        precision = engine.fabric.strategy.precision
        if bool(state["precision"]) == bool(precision.state_dict()):
            precision.load_state_dict(state["precision"])
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise InvalidRun(f"{path} does not fit this model: {str(error).splitlines()[0]}") from error

    return int(state["step"])


def _identity(algorithm: Algorithm, steps: int, seed: int) -> dict[str, Any]:
    return {"seed": seed, "steps": steps, **algorithm.recipe.to_dict()}
