"""Server-sent events of a job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service.jobs import JsonObject


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Args:
        sequence: Number of the event, which counts the job's events from 1.
        kind: state, progress or result.
        data: JSON object of the event.
    """

    sequence: int
    kind: str
    data: JsonObject


def read_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Read the events of a stream's lines, without its comments and events of other kinds.

    An event that the end of the stream cuts off is ignored: the service sends it again when the
    stream is opened again.
    """
    fields: dict[str, str] = {}
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text:
            # A comment begins with a colon and so gets an empty name, which no event has.
            name, _, value = text.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        # An empty line ends an event.
        event = _event_from_fields(fields)
        fields = {}
        if event is not None:
            yield event


def _event_from_fields(fields: dict[str, str]) -> Event | None:
    try:
        data = json.loads(fields["data"])
        return Event(int(fields["id"]), fields["event"], data) if isinstance(data, dict) else None
    except (KeyError, ValueError):
        return None
