"""Options of a stage with their texts and the keys that they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from oneshot.pipeline.faults import Fault
from oneshot.pipeline.kinds import StageKind
from oneshot.pipeline.options import StageOptions, flag
from spaces.errors import PathfitError
from tables.metrics import MARGIN

if TYPE_CHECKING:
    from spaces.space import SearchSpace


@dataclass(frozen=True)
class Setting:
    """An option that a pipeline sets.

    Args:
        option: The option.
        texts: Its texts, as `options.read_texts` returns them.
        key: Key for messages, such as `train.epochs` or `space`.
        line: Line of the key; None where it is none of the file's.
        pending: Those of the texts that name a file which an earlier stage is still to write.
    """

    option: click.Option
    texts: tuple[str, ...]
    key: str
    line: int | None = None
    pending: frozenset[str] = frozenset()

    @property
    def is_pending(self) -> bool:
        """Whether a text names a file that does not exist yet."""
        return bool(self.pending)

    def fault(self, message: str) -> Fault:
        """Return a fault of this setting."""
        return Fault(self.key, message, self.line)

    def raised(self, function: Callable[..., object], *arguments: object) -> Iterator[Fault]:
        """Yield the error that a function raises as a fault of this setting."""
        try:
            function(*arguments)
        except click.BadParameter as error:
            yield self.fault(error.message)
        except PathfitError as error:
            yield self.fault(str(error))


@dataclass
class StageSettings:
    """The options and arguments of one stage.

    Args:
        kind: Kind of the stage.
        options: The command's options.
        line: Line of the stage's key.
        settings: Text of the option, such as `--epochs` -> setting.
        arguments: Positional arguments.
        needs: Names of the earlier stages whose files the stage reads.
        networks: Name of the space of the networks that the stage is given, for a stage whose
            command has no option for it; None where it is unknown.
    """

    kind: StageKind
    options: StageOptions
    line: int | None = None
    settings: dict[str, Setting] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    networks: str | None = None

    def add(self, setting: Setting) -> None:
        """Add a setting, or replace that of the same option."""
        self.settings[flag(setting.option)] = setting

    def get(self, key: str) -> Setting | None:
        """Return the setting of an option by its key; None where the pipeline does not set it."""
        option = self.options.find(key)
        return None if option is None else self.settings.get(flag(option))

    def texts(self, key: str) -> Sequence[str]:
        """Return the texts of an option, or those of its default."""
        setting = self.get(key)
        if setting is not None:
            return setting.texts

        option = self.options.find(key)
        default = None if option is None else option.get_default(self.options.context)
        if default is None:
            return ()

        return [str(item) for item in default] if isinstance(default, tuple) else [str(default)]

    def text(self, key: str) -> str | None:
        """Return the first text of an option or of its default; None where it has neither."""
        return next(iter(self.texts(key)), None)

    def space(self) -> SearchSpace | None:
        """Return the stage's space; None where it has none or an invalid one."""
        from spaces.registry import get

        name = self.text("space") or self.networks
        try:
            return None if name is None else get(name)
        except PathfitError:
            return None

    def margin(self) -> float:
        """Return the margin of the stage's limits; the default where its text is no number."""
        try:
            return float(self.text("margin") or MARGIN)
        except ValueError:
            return MARGIN

    def fault(self, message: str) -> Fault:
        """Return a fault of the stage."""
        return Fault(self.kind.name, message, self.line)
