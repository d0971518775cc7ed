"""Server-sent events: what a service tells of a job, as it happens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Args:
        sequence: counts the job's events from 1.
        kind: state, progress or result.
        data: its JSON object.
    """

    sequence: int
    kind: str
    data: dict[str, Any]


def read_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events of a stream's lines; comments and what is no event of ours are passed over.

    An event that is cut off by the end of the stream is none: it comes again when the stream is
    opened again.
    """
    fields: dict[str, str] = {}
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text:
            name, _, value = text.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        event = _event(fields)
        fields = {}
        if event is not None:
            yield event


def _event(fields: dict[str, str]) -> Event | None:
    try:
        data = json.loads(fields["data"])
        return Event(int(fields["id"]), fields["event"], data) if isinstance(data, dict) else None
    except (KeyError, ValueError):
        return None
