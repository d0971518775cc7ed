"""`run.config`, which Once-for-All keeps beside a `net.config`: `{"image_size": 224}`."""

from __future__ import annotations

import json
from pathlib import Path

from spaces.architecture import Architecture
from spaces.errors import InvalidFile
from spaces.files import read_text
from spaces.formats.json_fields import Fields
from spaces.formats.json_text import parse_json
from spaces.registry import get

_NET, _RUN = "net.config", "run.config"


def image_size_beside(path: Path | None) -> int | None:
    """Height and width in pixels as the run.config beside a net.config says; None where there is
    none.

    Raises:
        InvalidFile: the run.config is wrong; it and its key are named.
    """
    if path is None or not path.name.endswith(_NET):
        return None
    beside = path.with_name(path.name.removesuffix(_NET) + _RUN)
    if not beside.exists():
        return None
    try:
        fields = Fields(parse_json(read_text(beside)))
        size = fields.integer("image_size")
        fields.end()
    except InvalidFile as error:
        raise InvalidFile(f"{beside.name} beside it: {error}") from error
    return size


def write_run_config(architecture: Architecture) -> str:
    """The JSON text to keep as run.config beside the net.config of an architecture."""
    _, height, _ = get(architecture.space).input_shape_of(architecture)
    return json.dumps({"image_size": height}, indent=4)
