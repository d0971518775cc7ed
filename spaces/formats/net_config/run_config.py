"""The `run.config` that Once-for-All stores next to a `net.config`: `{"image_size": 224}`."""

from __future__ import annotations

import json
from pathlib import Path

from spaces.architecture import Architecture
from spaces.errors import InvalidFile
from spaces.files import read_text
from spaces.formats.json_fields import Fields
from spaces.formats.json_text import parse_json
from spaces.registry import get

_NET = "net.config"
_RUN = "run.config"


def read_image_size(path: Path | None) -> int | None:
    """Return the image size in the run.config next to a net.config.

    Args:
        path: net.config; None for a text without a file.

    Returns:
        Height and width in pixels; None where no run.config exists.

    Raises:
        InvalidFile: The run.config is wrong; it and its key are named.
    """
    if path is None or not path.name.endswith(_NET):
        return None

    # OFA writes both files with one prefix.
    run_config = path.with_name(path.name.removesuffix(_NET) + _RUN)
    if not run_config.exists():
        return None

    try:
        fields = Fields(parse_json(read_text(run_config)))
        size = fields.integer("image_size")
        fields.end()
    except InvalidFile as error:
        raise InvalidFile(f"{run_config.name} next to it: {error}") from error
    return size


def write_run_config(architecture: Architecture) -> str:
    """Return the JSON text of the run.config that belongs to an architecture's net.config."""
    _, height, _ = get(architecture.space).input_shape_of(architecture)
    return json.dumps({"image_size": height}, indent=4)
