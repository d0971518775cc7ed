"""How Pathfit's commands behave: errors in one line with exit code 2, groups that load lazily."""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from spaces.console import ownership
from spaces.errors import MissingExtra, PathfitError

EXTRAS = {
    "scipy": "predictor",
    "sklearn": "predictor",
    "safetensors": "predictor",
    "torch_geometric": "predictor",
    "matplotlib": "plots",
    "yaml": "tables",
    "PIL": "oneshot",
    "lightning": "oneshot",
    "tensorboard": "oneshot",
    "pymoo": "oneshot",
    "ray": "oneshot",
    "onnx": "oneshot",
    "onnxruntime": "oneshot",
    "onnxscript": "oneshot",
    "apiflask": "service",
    "flask": "service",
    "gunicorn": "service",
    "pydantic": "service",
    "sqlalchemy": "service",
    "nvidia": "dali",
}
"""Optional package -> the extra of setup.py that brings it."""


class OneLine(click.ClickException):
    """An error shown as one line; the exit code is 2."""

    exit_code = 2


class Group(click.Group):
    """A click group whose commands report Pathfit's errors in one line.

    Args:
        lazy: command name -> ("module:attribute", one line of help), imported only when the command
            is used.
    """

    def __init__(
        self, *args: Any, lazy: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})
        self.params.append(
            click.Option(
                ["--plugin", "plugins"],
                multiple=True,
                type=click.Path(exists=True, dir_okay=False),
                expose_value=False,
                callback=_load_plugins,
                help=(
                    "A Python file that registers spaces, data sets or strategies; may be repeated."
                ),
            )
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *self.lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [
            (name, command.get_short_help_str(90))
            for name, command in self.commands.items()
            if not command.hidden
        ]
        rows += [(name, help_line) for name, (_, help_line) in self.lazy.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            ownership.check()
            return super().invoke(ctx)
        except PathfitError as error:
            raise OneLine(str(error)) from error
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx is not None else ctx.command_path
            raise OneLine(f"{error.format_message()} (see {path} --help)") from error
        except ModuleNotFoundError as error:
            top = (error.name or "").partition(".")[0]
            if top not in EXTRAS:
                raise
            raise OneLine(str(MissingExtra(top, EXTRAS[top]))) from error


def _load_plugins(ctx: click.Context, parameter: click.Parameter, paths: tuple[str, ...]) -> None:
    for path in paths:
        # Imported on demand: `--help` needs no plug-ins.
        from spaces.plugins import load_file

        try:
            load_file(path)
        except PathfitError as error:
            raise OneLine(str(error)) from error


def typed() -> str:
    """This process's command line as a user would type it elsewhere: without the folders of its
    program.
    """
    program = Path(sys.argv[0])
    start = (
        ["python", "-m", program.parent.name] if program.name == "__main__.py" else [program.name]
    )
    return shlex.join([*start, *sys.argv[1:]])


def example(text: str) -> str:
    """An epilog that shows an example command without re-wrapping it."""
    lines = "\n".join(f"  {line.strip()}" for line in text.strip().splitlines())
    return f"\b\nExample:\n{lines}"
