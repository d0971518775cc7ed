"""The keys of a configuration of aw_nas: which were read, and which a pipeline cannot express."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneshot.pipeline.document import Entry, parse_document
from oneshot.pipeline.faults import Fault, InvalidPipeline
from spaces.files import read_text

if TYPE_CHECKING:
    from oneshot.pipeline.document import Value

_EXPECTED = (
    "a configuration of aw_nas is a mapping of keys such as `search_space_type: cnn`; a list of"
    " genotypes is none, each of which is read by: python -m spaces convert --from aw-nas"
)

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

_BOOLEANS = {"true": True, "false": False}

_WITHOUT_EFFECT = frozenset(
    {
        "bptt_steps",  # Of sequences alone.
        "candidate_cache_named_members",
        "candidate_eval_no_grad",
        "candidate_member_mask",
        "candidate_virtual_parameter_only",
        "gpus",
        "inner_report_freq",
        "load_optimizer",
        "load_scheduler",
        "mode",
        "multiprocess",
        "num_workers",
        "report_cont_data_diagnostics",
        "report_freq",
        "report_inner_diagnostics",
        "rollout_type",  # Follows from the other components.
        "save_as_state_dict",
        "shuffle_data_before_split",  # Parts of the data always follow from the seed.
        "shuffle_data_before_split_seed",
        "strict_load_weights_manager",
        "test_every",
        "workers_per_queue",
    }
)
"""Last names of keys that change neither what is trained nor what is searched."""


class InvalidConfiguration(InvalidPipeline):
    """A configuration of aw_nas has keys that a pipeline cannot express."""


class Configuration:
    """A configuration of aw_nas by dotted keys, such as `trainer_cfg.epochs`.

    Each key is read, refused or noted; `finish` refuses those that nothing has looked at.

    Args:
        path: File, for messages.
        entries: Top-level key -> entry.
        faults: Faults of the syntax.

    Example:
        >>> entries = {"trainer_cfg": Entry("trainer_cfg", {"epochs": Entry("epochs", "50")})}
        >>> Configuration(Path("darts.yaml"), entries).get("trainer_cfg.epochs")
        50
    """

    def __init__(self, path: Path, entries: Mapping[str, Entry], faults: tuple[Fault, ...] = ()):
        self.path = path
        self.faults = list(faults)
        self.notes: list[Fault] = []
        self._entries = dict(_flatten(entries, ""))
        self._read: set[str] = set()

    def keys(self, prefix: str = "") -> list[str]:
        """Return the dotted keys that begin with a prefix, in the order of the file."""
        return [key for key in self._entries if key.startswith(prefix)]

    def is_set(self, key: str) -> bool:
        """Return whether a key is present with a value other than null."""
        return key in self._entries and self._entries[key].value is not None

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key as a plain Python value; the default where it is absent."""
        self._read.add(key)
        entry = self._entries.get(key)
        return default if entry is None else _plain(entry.value)

    def number(self, key: str, default: float) -> float:
        """Return a number; the default where it is absent or null. Other values are faults."""
        value = self.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, "a number is needed")
            return default
        return value

    def required_number(self, key: str) -> float:
        """Return a number; where it is absent, null or another value, record a fault."""
        if not self.is_set(key):
            self._fault(key, "is missing; write the number that aw_nas would take")
            # Only for the rest of the conversion, which ends with the fault.
            return 1
        return self.number(key, 1)

    def numbers(self, key: str) -> list[int]:
        """Return a list of whole numbers; where it is absent or another value, record a fault."""
        value = self.get(key)
        if not isinstance(value, list) or not value or any(type(item) is not int for item in value):
            self._fault(key, f"{_shown(value)}: a list of whole numbers is needed")
            return [1]
        return value

    def accept(self, key: str, *values: Any, instead: str) -> None:
        """Record a fault unless a key is absent or has one of some values."""
        if key in self._entries and self.get(key) not in values:
            self.refuse(key, instead)

    def refuse(self, key: str, instead: str) -> None:
        """Record that a pipeline cannot express a key, and its replacement."""
        value = self.get(key)
        cause = f"{_shown(value)} has no counterpart" if key in self._entries else "is missing"
        self._fault(key, f"{cause}; {instead}")

    def note(self, key: str, reason: str) -> None:
        """Record that a key is left out of the pipeline, and why."""
        if key in self._entries:
            message = f"{_shown(self.get(key))}: {reason}"
            self.notes.append(Fault(key, message, self._line(key)))

    def note_all(self, prefix: str, reason: str) -> None:
        """Record that the keys below a prefix are left out of the pipeline, all in one note."""
        below = self.keys(f"{prefix}.")
        self.ignore(prefix)
        if below:
            self.notes.append(Fault(prefix, reason, self._line(below[0])))

    def ignore(self, *prefixes: str) -> None:
        """Mark keys as read: those that are, or are below, one of the prefixes."""
        for prefix in prefixes:
            below = f"{prefix}."
            self._read |= {key for key in self._entries if key == prefix or key.startswith(below)}

    def finish(self) -> None:
        """Raise InvalidConfiguration where a key was refused, or not read by the conversion."""
        for key in self._entries:
            is_read = key in self._read or key.rpartition(".")[2] in _WITHOUT_EFFECT
            # null means the default.
            if not is_read and self._entries[key].value is not None:
                self.refuse(key, "remove it if the pipeline is to go without")

        self.stop_at_faults()

    def stop_at_faults(self) -> None:
        """Raise InvalidConfiguration where there are faults so far."""
        if self.faults:
            raise InvalidConfiguration(self.path, self.faults)

    def _fault(self, key: str, message: str) -> None:
        self.faults.append(Fault(key, message, self._line(key)))

    def _line(self, key: str) -> int | None:
        entry = self._entries.get(key)
        return None if entry is None else entry.line


def read_configuration(path: str | Path) -> Configuration:
    """Read a file of aw_nas; no tag or alias of it creates an object.

    Raises:
        InvalidFile: The file cannot be read.
        InvalidPipeline: It is no YAML, or not a mapping.
    """
    document = parse_document(read_text(path), Path(path), _EXPECTED, allows_repeats=True)
    return Configuration(document.path, document.entries, tuple(document.faults))


def _flatten(entries: Mapping[str, Entry], parent: str) -> Iterator[tuple[str, Entry]]:
    for entry in entries.values():
        key = f"{parent}.{entry.key}" if parent else entry.key
        if isinstance(entry.value, dict):
            yield from _flatten(entry.value, key)
        else:
            yield key, entry


def _plain(value: Value) -> Any:
    """Return the Python value that aw_nas would read."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(entry.value) for key, entry in value.items()}
    if value is None:
        return None
    if value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    if not _NUMBER.fullmatch(value):
        return value

    # `3.e-4` is a number in the files of aw_nas.
    return float(value) if set(value) & set(".eE") else int(value)


def _shown(value: Any) -> str:
    """Return a value for a message, as YAML has it and no longer than a line."""
    if value is None or isinstance(value, bool):
        text = "null" if value is None else str(value).lower()
    else:
        text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
