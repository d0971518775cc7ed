"""Files of predictors: safetensors with JSON metadata, from which nothing is ever executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from predictor.errors import InvalidPredictor
from spaces.files import replacing

T = TypeVar("T")

FORMAT = "pathfit-predictor"
VERSION = 1


def write(path: str | Path, config: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    """Write a predictor's file, all or nothing.

    Args:
        path: File to write or replace.
        config: Everything but the arrays, as JSON.
        tensors: Name -> torch tensor.
    """
    from safetensors.torch import save

    # Imported on demand: the registry imports this module.
    from predictor.registry import origins_of
    from spaces import __version__

    header = {"format": FORMAT, "version": VERSION, "pathfit": __version__, **config}
    origins = origins_of(config)
    if origins:
        header["origins"] = origins
    text = json.dumps(header)
    # safetensors refuses views, such as of every other value that a predictor was fitted on.
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(contiguous, metadata={"pathfit": text}))


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a predictor's file.

    Args:
        path: File that `write` wrote.

    Returns:
        Config and tensors.

    Raises:
        InvalidPredictor: The file is missing, is not a predictor's, or has another version.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise InvalidPredictor(f"there is no predictor at {path}")

    try:
        # The metadata of safetensors is text, which holds the config as JSON.
        with safe_open(str(path), framework="pt") as file:
            config = json.loads((file.metadata() or {})["pathfit"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, KeyError, json.JSONDecodeError, OSError) as error:
        raise InvalidPredictor(
            f"{path}: not a predictor's file: {str(error) or type(error).__name__}"
        ) from error

    if not isinstance(config, dict):
        raise InvalidPredictor(f"{path}: not a predictor's file: its header is no JSON object")
    if config.get("format") != FORMAT:
        raise InvalidPredictor(f"{path}: not a predictor's file but {config.get('format')!r}")
    if config.get("version") != VERSION:
        raise InvalidPredictor(
            f"{path}: of version {config.get('version')!r}; this Pathfit reads {VERSION}"
        )
    return config, tensors


def with_prefix(prefix: str, tensors: Mapping[str, T]) -> dict[str, T]:
    """Return the tensors, or arrays, whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
