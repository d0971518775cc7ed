"""Groups of commands that load on demand and report errors in one line with exit code 2."""

from __future__ import annotations

import inspect
import shlex
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click

from spaces.console import ownership
from spaces.console.library_warnings import hidden_library_warnings
from spaces.errors import MissingExtra, PathfitError

EXTRAS = {
    "scipy": "predictor",
    "sklearn": "predictor",
    "safetensors": "predictor",
    "torch_geometric": "predictor",
    "matplotlib": "plots",
    "yaml": "tables",
    "PIL": "oneshot",
    "lightning_fabric": "oneshot",
    "tensorboard": "oneshot",
    "pymoo": "oneshot",
    "ray": "oneshot",
    "onnx": "oneshot",
    "onnxruntime": "oneshot",
    "onnxscript": "oneshot",
    "openvino": "openvino",
    "nncf": "openvino",
    "executorch": "executorch",
    "litert_torch": "litert",
    "ai_edge_litert": "litert",
    "ai_edge_quantizer": "litert",
    "ncnn": "ncnn",
    "pnnx": "ncnn",
    "apiflask": "service",
    "flask": "service",
    "gunicorn": "service",
    "pydantic": "service",
    "sqlalchemy": "service",
    "nvidia": "dali",
    "torch_pruning": "elastic",
}
"""Optional package -> extra of setup.py that installs it."""


class OneLine(click.ClickException):
    """An error that is printed in one line; the exit code is 2."""

    exit_code = 2


class Group(click.Group):
    """A click group whose commands report Pathfit's errors in one line.

    Args:
        args: Positional arguments of `click.Group`.
        lazy: Command -> ("module:attribute", one line of help); the module is imported when the
            command is used. A plain mapping rather than a Registry: the help is needed without the
            import, and commands have neither plug-ins nor options of a signature.
        kwargs: Keyword arguments of `click.Group`.
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
                    "Python file that registers spaces, data sets, strategies or other entries (see"
                    " `pathfit list`); may be repeated."
                ),
            )
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *self.lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)

        # Imported on demand, like all that this module does not need for `--help`.
        from spaces.plugins.loading import resolve

        target, _ = self.lazy[cmd_name]
        return cast(click.Command, resolve(target))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [
            (name, command.get_short_help_str(90))
            for name, command in self.commands.items()
            if not command.hidden
        ]
        rows += [(name, help_line) for name, (_, help_line) in self.lazy.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # The options of the outermost group are parsed before any `invoke`.
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise _shorten(error, ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            ownership.check()
            with hidden_library_warnings():
                return super().invoke(ctx)
        except PathfitError as error:
            raise OneLine(str(error)) from error
        except click.UsageError as error:
            raise _shorten(error, ctx) from error
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            # Any other missing module is a defect, whose traceback is needed.
            if package not in EXTRAS:
                raise
            raise OneLine(str(MissingExtra(package, EXTRAS[package]))) from error


def _shorten(error: click.UsageError, ctx: click.Context) -> click.ClickException:
    """Return the error without the usage lines that click prints before it."""
    # A UsageError as well, but its text is the whole help.
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    path = error.ctx.command_path if error.ctx is not None else ctx.command_path
    return OneLine(f"{error.format_message()} (see {path} --help)")


def _load_plugins(ctx: click.Context, parameter: click.Parameter, paths: tuple[str, ...]) -> None:
    for path in paths:
        # Imported on demand: `--help` needs no plug-ins.
        from spaces.plugins import load_file

        try:
            load_file(path)
        except PathfitError as error:
            raise OneLine(str(error)) from error


def command_line() -> str:
    """Return this process's command line as a user types it, without the program's folders."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        command = ["python", "-m", program.parent.name]
    else:
        command = [program.name]

    return shlex.join([*command, *sys.argv[1:]])


def example(text: str) -> str:
    """Return an epilog that shows example commands; a command may continue on further lines."""
    # Dedented as a whole, the first line apart: the indentation of continued lines stays.
    lines = textwrap.indent(inspect.cleandoc(text), "  ")

    # \b keeps click from joining the lines.
    return f"\b\nExample:\n{lines}"
