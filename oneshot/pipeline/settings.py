"""Options of a stage with their texts and the keys that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import click

from oneshot.pipeline.faults import Fault
from oneshot.pipeline.kinds import StageKind
from oneshot.pipeline.options import StageOptions, flag


@dataclass(frozen=True)
class Setting:
    """An option that a pipeline sets.

    Args:
        option: The option.
        texts: Its texts, as `options.read_texts` returns them.
        key: Key for messages, such as `train.epochs` or `space`.
        line: Line of the key; None where it is none of the file's.
        is_pending: Whether a text names a file that an earlier stage is still to write.
    """

    option: click.Option
    texts: tuple[str, ...]
    key: str
    line: int | None = None
    is_pending: bool = False

    def fault(self, message: str) -> Fault:
        """Return a fault of this setting."""
        return Fault(self.key, message, self.line)


@dataclass
class StageSettings:
    """Everything that a pipeline sets for one stage.

    Args:
        kind: Kind of the stage.
        options: The command's options.
        line: Line of the stage's key.
        settings: Text of the option, such as `--epochs` -> setting.
        arguments: Positional arguments.
        needs: Names of the earlier stages whose files the stage reads.
    """

    kind: StageKind
    options: StageOptions
    line: int | None = None
    settings: dict[str, Setting] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)

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

    def fault(self, message: str) -> Fault:
        """Return a fault of the stage."""
        return Fault(self.kind.name, message, self.line)
