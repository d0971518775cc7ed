"""The YAML of a pipeline with its line numbers, as texts that a command line could have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from oneshot.pipeline.faults import Fault, InvalidPipeline
from spaces.files import read_text

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, ScalarNode

Value: TypeAlias = "str | list[Value] | dict[str, Entry] | None"
"""A value of a pipeline: a scalar's text, a list, a mapping or nothing."""

_NULLS = ("", "~", "null", "Null", "NULL")

# More than any option needs, and far below Python's recursion limit.
_DEEPEST = 20

_TAG_PREFIX = "tag:yaml.org,2002:"
_TAGS = ("str", "int", "float", "bool", "null", "seq", "map", "timestamp")


@dataclass(frozen=True)
class Entry:
    """A key with its value.

    Args:
        key: Key as it is written.
        value: Its value.
        line: Line of the key, from 1; None for a key that was set on the command line.
    """

    key: str
    value: Value
    line: int | None = None


@dataclass
class Document:
    """Content of a pipeline's file.

    Args:
        path: File, for messages.
        entries: Top-level key -> entry.
        faults: Faults of the syntax, such as keys that occur twice.
    """

    path: Path
    entries: dict[str, Entry]
    faults: list[Fault] = field(default_factory=list)

    def set(self, assignment: str) -> None:
        """Replace a value by that of a text such as `train.epochs=10`.

        Args:
            assignment: General key, stage, or STAGE.OPTION; then `=` and a value in YAML. Options
                of a stage that the file lacks add the stage.

        Raises:
            InvalidPipeline: The text has no key or no `=`, or its value is no YAML.
        """
        key, separator, text = assignment.partition("=")
        names = key.strip().split(".")
        if not separator or not all(names) or len(names) > 2:
            message = "write KEY=VALUE or STAGE.OPTION=VALUE, such as train.epochs=10"
            raise InvalidPipeline(self.path, [Fault(f"--set {assignment}", message)])

        reader = _Reader(self.path)
        value = reader.read(text)
        self.faults += [Fault(f"--set {key.strip()}", fault.message) for fault in reader.faults]
        if len(names) == 1:
            self.entries[names[0]] = Entry(names[0], _without_lines(value))
            return

        stage, option = names
        present = self.entries.get(stage)
        options = {}
        line = None
        if present is not None:
            line = present.line
            if isinstance(present.value, dict):
                options = dict(present.value)

        # Of `batch_size` and `batch-size`, the file's spelling would remain next to the new one.
        for spelling in list(options):
            if spelling.replace("_", "-") == option.replace("_", "-"):
                del options[spelling]

        options[option] = Entry(option, _without_lines(value))
        self.entries[stage] = Entry(stage, options, line)


def read_document(path: str | Path, assignments: Sequence[str] = ()) -> Document:
    """Read a pipeline's file.

    Args:
        path: YAML file.
        assignments: Texts such as `train.epochs=10` that replace values of the file.

    Raises:
        InvalidFile: The file cannot be read.
        InvalidPipeline: It is no YAML, or not a mapping.
    """
    document = parse_document(read_text(path), Path(path))
    for assignment in assignments:
        document.set(assignment)
    return document


_PIPELINE = "a pipeline is a mapping of keys such as `space: spos-tiny` and `train: {}`"


def parse_document(
    text: str, path: Path, expected: str = _PIPELINE, allows_repeats: bool = False
) -> Document:
    """Parse a pipeline's text; errors are those of `read_document`.

    Args:
        text: YAML.
        path: File, for messages.
        expected: Message for a text that is no mapping.
        allows_repeats: Whether a key may occur again where it had the same value, or null.
    """
    reader = _Reader(path, allows_repeats)
    value = reader.read(text)
    if value is None:
        value = {}

    if not isinstance(value, dict):
        raise InvalidPipeline(path, [Fault("", expected, 1)])

    return Document(path, value, reader.faults)


class _Reader:
    """Converts YAML to texts and collects faults after which reading can continue.

    Scalars stay texts: YAML would read `20:30` as the number 1230, `no` as false and `1e-3` as a
    text, while the commands' own types read them as on a command line.

    Args:
        path: File, for messages.
        allows_repeats: Whether a key may occur again where it had the same value, or null.
    """

    def __init__(self, path: Path, allows_repeats: bool = False):
        self.path = path
        self.allows_repeats = allows_repeats
        self.faults: list[Fault] = []

    def read(self, text: str) -> Value:
        """Return the value of a YAML text; raises InvalidPipeline where it is none."""
        import yaml

        try:
            self._refuse_aliases(text)
            # Nodes of the safe loader, so that no tag creates an object.
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = None if mark is None else mark.line + 1
            message = f"not YAML: {error.problem or error.context}"
            raise InvalidPipeline(self.path, [Fault("", message, line)]) from error
        except (yaml.YAMLError, RecursionError) as error:
            reason = str(error).splitlines()[0] if str(error) else "too many levels"
            raise InvalidPipeline(self.path, [Fault("", f"not YAML: {reason}")]) from error

        return None if node is None else self._value(node, "", 0)

    def _refuse_aliases(self, text: str) -> None:
        """Raise InvalidPipeline for aliases: a short file can expand to billions of values."""
        import yaml

        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                message = f"the alias *{event.anchor} is not supported; write its value out"
                mark = event.start_mark
                line = None if mark is None else mark.line + 1
                raise InvalidPipeline(self.path, [Fault("", message, line)])

    def _value(self, node: Node, key: str, depth: int) -> Value:
        from yaml.nodes import MappingNode, ScalarNode

        line = node.start_mark.line + 1
        if depth > _DEEPEST:
            message = f"more than {_DEEPEST} levels of lists and mappings"
            raise InvalidPipeline(self.path, [Fault(key, message, line)])
        if node.tag.removeprefix(_TAG_PREFIX) not in _TAGS:
            self.faults.append(Fault(key, f"the tag {node.tag} is not supported; remove it", line))
            return None
        if isinstance(node, ScalarNode):
            return _scalar(node)
        if isinstance(node, MappingNode):
            return {entry.key: entry for entry in self._entries(node, key, depth)}

        return [self._value(item, key, depth + 1) for item in node.value]

    def _entries(self, node: MappingNode, parent: str, depth: int) -> Iterator[Entry]:
        from yaml.nodes import ScalarNode

        previous: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.faults.append(Fault(parent, "a key must be a plain name", line))
                continue

            name = str(key_node.value)
            key = f"{parent}.{name}" if parent else name
            if name in previous and not self._repeats(value_node, previous[name].value):
                message = f"set twice; the first time in line {previous[name].line}"
                self.faults.append(Fault(key, message, line))
                continue

            entry = Entry(name, self._value(value_node, key, depth + 1), line)
            previous[name] = entry
            yield entry

    def _repeats(self, node: Node, earlier: Value) -> bool:
        """Return whether a value may follow an earlier one of its key, which leaves no doubt."""
        from yaml.nodes import ScalarNode

        if not self.allows_repeats or not isinstance(node, ScalarNode):
            return False
        return earlier is None or _scalar(node) == earlier


def _scalar(node: ScalarNode) -> str | None:
    # A quoted '' is an empty text; only a plain scalar can be null.
    if node.style is None and node.value in _NULLS:
        return None
    return str(node.value)


def _without_lines(value: Value) -> Value:
    """Return a value whose entries have no lines, since its text is not the file's."""
    if isinstance(value, dict):
        return {key: Entry(key, _without_lines(entry.value)) for key, entry in value.items()}
    return value
