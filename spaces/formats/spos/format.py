"""Tuples of the SPOS release (megvii-model/SinglePathOneShot): one code a layer, `(2, 1, ...)`."""

from __future__ import annotations

import re

from spaces.architecture import Architecture
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.formats.format import Source
from spaces.registry import available, get

OPERATIONS = ("k3", "k5", "k7", "xcep")
"""Candidates by their codes in the tuples: choice_3, choice_5, choice_7 and choice_x."""

_SEQUENCE = re.compile(r"\(([\d\s,+-]*)\)|\[([\d\s,+-]*)\]")


class Spos:
    """Tuples or lists of codes as text.

    Where no space is named, it is `spos` for 20 codes, and otherwise the one registered space of
    these operations that has as many layers.
    """

    def detects(self, text: str, value: object) -> bool:
        return _SEQUENCE.fullmatch(text) is not None

    def read(self, source: Source) -> Architecture:
        codes = parse_codes(source.text)
        space = source.space or _space_of(len(codes))
        _check(space)
        if len(codes) != len(space.choices):
            raise InvalidArchitecture(
                f"an architecture of {space.name} has {len(space.choices)} codes, not {len(codes)}"
            )

        # Checked here, so that the error names the layer and the range of the release's codes.
        for choice, code in zip(space.choices, codes, strict=True):
            if not 0 <= code < len(OPERATIONS):
                raise InvalidArchitecture(
                    f"{choice.key}: the code {code} is not one of 0 ... {len(OPERATIONS) - 1}"
                )

        return space.architecture(codes)

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        _check(space)
        return str(tuple(space.encode([architecture])[0].tolist()))


def parse_codes(text: str) -> list[int]:
    """Return the integers of a text like `(2, 1, 0)` or `[2,1,0]`.

    Raises:
        InvalidFile: The text is no such sequence; the entry at fault is named.
    """
    match = _SEQUENCE.fullmatch(text.strip())
    if match is None:
        raise InvalidFile(
            f"an architecture of the SPOS release is a tuple like '(2, 1, 0, 3)', not {text!r:.60}"
        )

    codes = []
    # Python's tuples may end in a comma.
    entries = (match[1] or match[2] or "").rstrip().removesuffix(",").split(",")
    for position, entry in enumerate(entries, 1):
        if re.fullmatch(r"\s*-?\d{1,9}\s*", entry) is None:
            raise InvalidFile(f"entry {position} is {entry.strip()!r:.60}, not an integer")
        codes.append(int(entry))

    return codes


def _space_of(num_codes: int) -> ChoiceSpace:
    """Return the space that a tuple without the name of its space belongs to."""
    release = get("spos")
    if num_codes == len(release.choices):
        return release

    matching = [
        space
        for space in map(get, available())
        if len(space.choices) == num_codes and _has_operations(space)
    ]
    if len(matching) > 1:
        names = ", ".join(space.name for space in matching)
        raise InvalidArchitecture(
            f"{num_codes} codes fit {names}; name the space that they belong to"
        )
    # The caller's error tells how many codes the release's space has.
    return matching[0] if matching else release


def _check(space: ChoiceSpace) -> None:
    if not _has_operations(space):
        raise InvalidArchitecture(
            f"tuples of the SPOS release are for spaces of the operations {', '.join(OPERATIONS)},"
            f" not for {space.name}"
        )


def _has_operations(space: ChoiceSpace) -> bool:
    return all(choice.candidates == OPERATIONS for choice in space.choices)
