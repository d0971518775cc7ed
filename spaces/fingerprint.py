"""Fingerprints of spaces, by which two machines find out that they mean the same networks."""

from __future__ import annotations

import hashlib
import json

from spaces.space import SearchSpace


def space_fingerprint(space: SearchSpace) -> str:
    """Return the SHA-256 of a space's choices, candidates and blocks.

    Spaces of two versions of Pathfit, or of a plug-in, may have one name and other networks.

    Args:
        space: The space.

    Example:
        >>> import spaces
        >>> space_fingerprint(spaces.get("spos-tiny")) == space_fingerprint(spaces.get("spos"))
        False
    """
    description = {
        "name": space.name,
        "choices": {choice.key: list(choice.candidates) for choice in space.choices},
        "blocks": sorted(space.all_blocks),
    }
    return hashlib.sha256(json.dumps(description).encode()).hexdigest()
