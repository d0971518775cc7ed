"""Pipelines as JSON: with the lines of their keys, or as the text that a job runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oneshot.pipeline.document import Document, Entry, Value
from oneshot.pipeline.faults import Fault
from service.jobs import JsonObject


def document_to_dict(document: Document) -> JsonObject:
    """Return the JSON object that `document_from_dict` reads."""
    return {
        "entries": [_entry_to_dict(entry) for entry in document.entries.values()],
        "faults": [fault_to_dict(fault) for fault in document.faults],
    }


def document_from_dict(value: Mapping[str, Any], path: Path) -> Document:
    """Read a pipeline with the lines of its keys and the faults so far.

    Args:
        value: JSON object of `document_to_dict`.
        path: Path of the pipeline for messages.
    """
    entries = [_entry_from_dict(entry) for entry in value["entries"]]
    faults = [fault_from_dict(fault) for fault in value["faults"]]
    return Document(path, {entry.key: entry for entry in entries}, faults)


def fault_to_dict(fault: Fault) -> JsonObject:
    """Return the JSON object that `fault_from_dict` reads."""
    return {"key": fault.key, "message": fault.message, "line": fault.line}


def fault_from_dict(value: Mapping[str, Any]) -> Fault:
    """Read a fault."""
    return Fault(value["key"], value["message"], value["line"])


def runnable_text(document: Document, links: Mapping[str, str]) -> str:
    """Return the text of a pipeline whose files are where a job links them.

    Args:
        document: A resolved pipeline.
        links: Path of a file -> path of its link.

    Returns:
        JSON, which is YAML too; every value is a text, as in the document.
    """
    values = {key: _plain(entry.value, links) for key, entry in document.entries.items()}
    return json.dumps(values, indent=1) + "\n"


def _entry_to_dict(entry: Entry) -> JsonObject:
    return {"key": entry.key, "line": entry.line, "value": _value_to_json(entry.value)}


def _value_to_json(value: Value) -> Any:
    if isinstance(value, dict):
        return {"entries": [_entry_to_dict(entry) for entry in value.values()]}
    if isinstance(value, list):
        return [_value_to_json(item) for item in value]
    return value


def _entry_from_dict(value: Mapping[str, Any]) -> Entry:
    return Entry(value["key"], _value_from_json(value["value"]), value["line"])


def _value_from_json(value: Any) -> Value:
    if isinstance(value, dict):
        entries = [_entry_from_dict(entry) for entry in value["entries"]]
        return {entry.key: entry for entry in entries}
    if isinstance(value, list):
        return [_value_from_json(item) for item in value]
    text: str | None = value
    return text


def _plain(value: Value, links: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry.value, links) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(item, links) for item in value]
    if value is None:
        return None
    return relocate(value, links)


def relocate(text: str, links: Mapping[str, str]) -> str:
    """Replace the paths in a text.

    Example:
        >>> relocate("latency_ms<=2@/data/phone.json", {"/data/phone.json": "phone"})
        'latency_ms<=2@phone'
    """
    # The longest first: one path may begin like another.
    paths: Sequence[str] = sorted(links, key=len, reverse=True)
    for path in paths:
        text = text.replace(path, links[path])
    return text
