"""Export of blocks for agents on devices without torch, which join them to networks."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from profiler.agent.exporting import export_blocks
from profiler.errors import UnsupportedConditions
from service.jobs import JsonObject
from service.kinds.base import Context
from service.measuring import block_file
from spaces.space import SearchSpace

LARGEST_EXPORT = 1 << 30
"""Bytes of all blocks of a job together beyond which they are not exported."""


def exported_blocks(
    space: SearchSpace, keys: Collection[str], batch: int, seed: int, context: Context
) -> JsonObject:
    """Export blocks into the artifacts of an attempt.

    Args:
        space: Space whose networks are chains of the blocks.
        keys: Keys of the blocks.
        batch: Batch size.
        seed: Seed of the weights.
        context: Surroundings of the attempt.

    Returns:
        `blocks`, which maps the keys to the SHA-256 of the files, and the `folder` of these among
        the artifacts: both join what an agent is to measure.

    Raises:
        UnsupportedConditions: The blocks are too large, or those of no chain.
        Cancelled: The job was cancelled.
    """
    digests: dict[str, str] = {}
    total_bytes = 0
    for key, content in export_blocks(space, keys, batch, seed):
        context.check_cancelled()
        total_bytes += len(content)
        if total_bytes > LARGEST_EXPORT:
            raise UnsupportedConditions(
                f"blocks of {space.name} take more than {LARGEST_EXPORT >> 20} MiB, which are not"
                " exported; measure where torch is installed"
            )

        digest = hashlib.sha256(content).hexdigest()
        path = context.folder / block_file(digest)
        path.write_bytes(content)
        context.store_checkpoint(path)
        digests[key] = digest

    return {"blocks": digests, "folder": f"{context.job_id}/{context.attempt}"}
