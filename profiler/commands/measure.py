"""`python -m profiler measure`: latencies of architectures and ONNX models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from profiler.commands.parameters import (
    BATCH_OPTION,
    DEVICE_OPTION,
    INDEX_OPTION,
    THREADS_OPTION,
    exit_if_interrupted,
    length_options,
    rounds_option,
    seed_option,
    warn_of_threads,
)
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE
from tables.conditions import PRECISIONS

if TYPE_CHECKING:
    from profiler.backends.base import Backend, Conditions
    from tables.lookup_table import LookupTable

# A median and quartiles of fewer rounds mean little.
_LEAST_ROUNDS = 3


@click.command(
    epilog=example("""
        python -m profiler measure arch.json network.onnx --table my-cpu.json
        python -m profiler measure bert.onnx --input tokens:1x128:int64 --input mask:1x128:int64
        """)
)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@DEVICE_OPTION
@click.option(
    "--table",
    "name",
    default=None,
    help="Table whose estimates are reported as well; it sets the conditions.",
)
@click.option(
    "--backend",
    "backend_name",
    default="torch",
    show_default=True,
    help="Backend that runs architectures.",
)
@BATCH_OPTION
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp32",
    show_default=True,
    help="Precision of architectures; an ONNX model has its own.",
)
@click.option(
    "--input",
    "input_texts",
    metavar="NAME:SHAPE[:TYPE]",
    multiple=True,
    help="Shape of an input that an ONNX model leaves open, such as image:1x3x224x224:float32.",
)
@INDEX_OPTION
@length_options
@THREADS_OPTION
@rounds_option(_LEAST_ROUNDS, "every file")
@seed_option(0, "the order in each round")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="File to write the JSON to.",
)
def measure(
    files: tuple[Path, ...],
    device_name: str,
    name: str | None,
    backend_name: str,
    batch: int,
    precision: str,
    input_texts: tuple[str, ...],
    index: int,
    prompt: int | None,
    cache: int | None,
    threads: int | None,
    rounds: int,
    seed: int,
    output: Path | None,
) -> None:
    """Measure architectures and ONNX models in interleaved rounds, and print JSON.

    An architecture is read in any format that can be detected, or from a search result, and runs in
    the backend as for tables; an ONNX model runs in onnxruntime. With a table, the latencies of its
    backend's networks are also reported as they would have been in the device's state at the build.
    An ONNX model is one of these networks if `oneshot export` wrote it and the table is of
    onnxruntime. Networks of text are measured as they read a prompt and as they decode a token.
    Ctrl-C reports the rounds so far, if there are three, with exit code 130.
    """
    from profiler.backends.base import Conditions
    from profiler.backends.onnx_inputs import InputSpec
    from profiler.backends.registry import make_backend
    from profiler.instruments.devices import find
    from profiler.measurement import is_onnx, measure_files
    from tables.store import load

    inputs = [InputSpec.from_text(text) for text in input_texts]
    device = find(device_name)
    conditions = Conditions(device.torch_name, batch, precision, threads or device.threads, seed)

    table = load(name) if name else None
    # An imported table is of another device, whose runtime this machine need not have.
    if table is not None and table.measurement is not None:
        backend_name, conditions = _conditions_of(table, conditions)

    # ONNX models run in onnxruntime, whatever the backend of the architectures is.
    runs_backend = not all(map(is_onnx, files))
    if not runs_backend:
        _refuse_options_of_backends()

    warn_of_threads(conditions.threads, device)
    backend = make_backend(backend_name, conditions)
    latencies = measure_files(
        files,
        backend,
        conditions,
        table=table,
        rounds=rounds,
        index=index,
        inputs=inputs,
        lengths={"prompt": prompt, "cache": cache},
        least_rounds=_LEAST_ROUNDS,
    )

    interrupted = latencies.rounds < rounds
    report: dict[str, Any] = {
        "device": device.processor,
        **_reported_conditions(conditions, backend if runs_backend else None, name),
        "rounds": latencies.rounds,
        "stopped_by": "interrupt" if interrupted else "rounds",
        "measured": latencies.entries,
    }
    _write(report, output)
    exit_if_interrupted(interrupted)


def _write(report: dict[str, Any], output: Path | None) -> None:
    """Print a report as JSON, and write it to a file where there is one."""
    import json

    from spaces.files import write_text

    text = json.dumps(report, indent=1)
    if output is not None:
        write_text(output, text + "\n")
    click.echo(text)


def _conditions_of(table: LookupTable, conditions: Conditions) -> tuple[str, Conditions]:
    """Return the backend of a table, and conditions with those under which it was built.

    Latencies under other conditions would not compare with its estimates.
    """
    recorded = table.conditions
    built_under = replace(
        conditions,
        batch=int(recorded["batch"]),
        precision=str(recorded["precision"]),
        threads=int(recorded["threads"]),
    )
    return str(recorded["backend"]), built_under


def _reported_conditions(
    conditions: Conditions, backend: Backend | None, table: str | None
) -> dict[str, Any]:
    """Return the conditions under which the files ran.

    Args:
        conditions: Requested conditions.
        backend: Backend of architectures. None: only ONNX models ran, each in the precision in
            which it was exported.
        table: Name of the table.
    """
    from profiler.backends.base import executed_conditions

    reported: dict[str, Any] = {
        "batch": conditions.batch,
        "precision": None if backend is None else conditions.precision,
        "threads": conditions.threads,
        "table": table,
    }

    # A runtime may run with other conditions than were requested.
    executed = {} if backend is None else executed_conditions(backend, conditions.threads)
    return reported | executed


def _refuse_options_of_backends() -> None:
    """Raise UsageError for options that only architectures have, where none is measured."""
    context = click.get_current_context()
    for parameter, option in (("backend_name", "--backend"), ("precision", "--precision")):
        if context.get_parameter_source(parameter) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{option} is for architectures; an ONNX model runs in onnxruntime, in the"
                " precision in which it was exported"
            )
