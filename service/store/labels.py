"""Names and tags of jobs, in the form of the store's columns that lists are filtered by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

# Longer texts of a request, such as a pipeline, are searched by their beginning only.
_LONGEST_TEXT = 200
_LONGEST_WORDS = 4000


def join_tags(tags: Sequence[str]) -> str:
    """Join tags into the text of a column, each between two line breaks; "" without any.

    Tags that differ in case alone are one tag, since SQLite and PostgreSQL would compare them
    differently.
    """
    unique = sorted({storable(tag.strip()).casefold() for tag in tags} - {""})
    return "\n".join(["", *unique, ""]) if unique else ""


def split_tags(text: str) -> Sequence[str]:
    """Return the tags that `join_tags` has joined."""
    return tuple(text.split("\n")[1:-1])


def searchable_words(labels: Sequence[str], request: Any) -> str:
    """Return the text in which a job is found: its labels and all texts of its request.

    Args:
        labels: Kind, name and tags of the job.
        request: JSON object of the request; names of its fields are left out, as all jobs of a kind
            have the same.
    """
    texts = [*labels, *(text[:_LONGEST_TEXT] for text in _texts_in(request))]
    return storable("\n".join(texts)).casefold()[:_LONGEST_WORDS]


def storable(text: str) -> str:
    """Replace what no column can contain: NUL in PostgreSQL, and halves of a character in any."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)
