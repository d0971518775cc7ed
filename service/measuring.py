"""Measuring tasks: what agents on devices are to do, as JSON that they read without a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.artifacts import CHECKPOINT
from service.jobs import JsonObject
from spaces import __version__
from spaces.fingerprint import space_fingerprint

if TYPE_CHECKING:
    from service.admission.tasks import VerifyTask
    from service.catalog.files import FileReference
    from spaces.space import Codes, SearchSpace

MEASURED = "measured.json"
"""Name of the checkpoint with the networks that an agent has measured so far."""

MEASURED_ARTIFACT = CHECKPOINT + MEASURED
"""Name of that checkpoint among an attempt's artifacts."""


def block_file(digest: str) -> str:
    """Return the name of the checkpoint with an exported block of a SHA-256."""
    return f"block-{digest}.onnx"


def network_measuring(
    table: FileReference, space: SearchSpace, codes: Codes, request: VerifyTask
) -> JsonObject:
    """Describe the measurement of networks next to a table's references.

    Args:
        table: The table, pinned by its content.
        space: Its space.
        codes: Codes [n, choices] of the networks.
        request: The verification that needs them.
    """
    return {
        "task": "networks",
        "table": table.to_dict(),
        "codes": [[int(code) for code in row] for row in codes],
        "rounds": request.rounds,
        **space_of(space),
    }


def space_of(space: SearchSpace) -> JsonObject:
    """Return the name of a space, and what shows whether an agent means the same by it."""
    return {
        "space": space.name,
        "fingerprint": space_fingerprint(space),
        "version": __version__,
    }
