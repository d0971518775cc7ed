"""The command `python -m oneshot compress`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import (
    FILE,
    MARGIN_OPTION,
    POSITIVE,
    SEED,
    TASK,
    set_threads,
)
from oneshot.commands.options.data import DATA, load_data
from oneshot.commands.options.runs import resumable
from spaces.console.group import example
from spaces.console.options import ListOf, with_options
from spaces.console.outputs import OUTPUT_FOLDER

if TYPE_CHECKING:
    from oneshot.compression.compression import Compression
    from oneshot.compression.result import CompressionResult
    from oneshot.compression.settings import CompressionSettings
    from profiler.backends.base import Backend

COUNT = click.IntRange(min=0)

NETWORK = [
    click.option(
        "--weights",
        type=FILE,
        default=None,
        help="Weights of the network: .safetensors, or torch.save of a state_dict.  [default: as"
        " built]",
    ),
    click.option(
        "--input-shape",
        type=POSITIVE,
        nargs=3,
        default=(3, 224, 224),
        show_default=True,
        help="Channels, height and width of an image.",
    ),
    click.option(
        "--resolutions",
        type=ListOf(POSITIVE),
        default=None,
        help="Sides of square images in pixels among which the input size is chosen, such as"
        " 160,192,224.  [default: that of --input-shape alone]",
    ),
    click.option(
        "--divisor",
        type=POSITIVE,
        default=None,
        help="Preferred divisor of numbers of channels.  [default: 8]",
    ),
]

LIMITS = [
    click.option(
        "--constraint",
        "constraints",
        multiple=True,
        required=True,
        help="Limit of a cost: latency_ms<=8@DEVICE (DEVICE names this machine in the results),"
        " flops<=330e6 or params<=2e6; may be repeated.",
    ),
    MARGIN_OPTION,
    click.option(
        "--backend",
        "backend_name",
        default="onnxruntime",
        show_default=True,
        help="Backend that runs networks for their latency.",
    ),
    click.option(
        "--batch",
        type=POSITIVE,
        default=1,
        show_default=True,
        help="Batch size of the latency.",
    ),
    click.option(
        "--threads",
        type=POSITIVE,
        default=1,
        show_default=True,
        help="Number of threads of the latency.",
    ),
]

EFFORT = [
    click.option(
        "--measured",
        type=click.IntRange(min=12),
        default=80,
        show_default=True,
        help="Smaller networks that are measured.",
    ),
    click.option(
        "--scored",
        type=click.IntRange(min=12),
        default=None,
        help="Smaller networks that are scored without training.  [default: as many as --minutes"
        " allows]",
    ),
    click.option(
        "--minutes",
        type=click.FloatRange(min=0, min_open=True),
        default=15.0,
        show_default=True,
        help="Minutes that the compression may take, from which the number of scores follows.",
    ),
    click.option(
        "--importance",
        type=COUNT,
        default=1024,
        show_default=True,
        help="Training images by which channels are ordered; 0: by their weights.",
    ),
    click.option(
        "--images",
        type=POSITIVE,
        default=2000,
        show_default=True,
        help="Validation images of a score.",
    ),
    click.option(
        "--supernet-epochs",
        type=COUNT,
        default=0,
        show_default=True,
        help="Epochs in which all widths are trained together before the scores.",
    ),
    click.option(
        "--epochs",
        type=COUNT,
        default=3,
        show_default=True,
        help="Epochs of fine-tuning, with distillation from the original.",
    ),
    click.option(
        "--learning-rate", type=float, default=None, help="Largest learning rate.  [default: 0.02]"
    ),
    click.option(
        "--batch-size", type=POSITIVE, default=None, help="Images per update.  [default: 64]"
    ),
    click.option(
        "--optimizer",
        type=click.Choice(["sgd", "adamw"]),
        default=None,
        help="Optimizer of the weights; transformers need adamw.  [default: sgd]",
    ),
    click.option(
        "--distillation",
        type=click.FloatRange(0, 1),
        default=0.5,
        show_default=True,
        help="Weight of the original's outputs in the loss of fine-tuning.",
    ),
]

RUN = [
    click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of all randomness."),
    click.option("--resume", is_flag=True, help="Resume an interrupted compression."),
    click.option(
        "-o", "--output", type=OUTPUT_FOLDER, required=True, help="Folder of the results."
    ),
]


@click.command(
    epilog=example("""
        python -m oneshot compress mymodel.py:build --weights weights.pt --data photos/ \\
            --constraint 'latency_ms<=8@my-cpu' -o runs/small
        """)
)
@click.argument("network")
@with_options(*NETWORK, *DATA, TASK, *LIMITS, *EFFORT, *RUN)
def compress(network: str, **options: Any) -> None:
    """Find the smaller version of a trained network that meets limits, and fine-tune it.

    NETWORK is a Python file and a function that returns a torch module, such as mymodel.py:build.
    Its code is run. Widths, blocks, kernels and heads of attention are cut without a change to the
    code; layers that cannot be cut stay whole and are listed.
    """
    # Importing torch is a part of the minutes too.
    started = time.monotonic()

    from oneshot.compression.compression import Compression
    from oneshot.compression.folder import begin_folder
    from oneshot.search.constraint import Limit
    from spaces.console.progress import Bar

    limits = [Limit.parse(text) for text in options["constraints"]]
    settings = _settings(options)
    data = load_data(options, options["input_shape"])
    set_threads(options["threads"])
    space, task = _space(network, options, settings, data)
    for line in space.report().lines():
        click.echo(line)

    backend, conditions = _backend(options)
    record = {
        "space": space.name,
        "candidates": space.candidates.tolist(),
        "data": data.record(),
        "constraints": list(options["constraints"]),
        "margin": options["margin"],
        "task": task.name,
        "conditions": conditions,
        "settings": settings.to_dict(),
    }
    begin_folder(options["output"], record, options["resume"])
    compression = Compression(
        space,
        data,
        task,
        limits,
        options["margin"],
        backend if any(limit.table for limit in limits) else None,
        conditions,
        options["output"],
        settings,
        started=started,
    )
    with resumable(), Bar(f"compressing {Path(network).name}") as bar:
        compression.progress = lambda title, fraction, state: bar.update(
            fraction, f"{title}: {state}"
        )
        compression.announce = bar.print
        result = _run(compression)

    click.echo(result.table(task.metrics))
    if result.mape is not None:
        click.echo(
            f"latency from {result.measured} measured networks: error {result.mape:.1%} in"
            f" cross-validation, sigma {result.sigma_ms:.3g} ms"
        )
    steps = ", ".join(f"{title} {seconds:.0f} s" for title, seconds in result.seconds.items())
    click.echo(f"{result.scored} networks were scored; {steps}")
    click.echo(f"wrote {options['output']}/network.onnx and network.safetensors")


def _run(compression: Compression) -> CompressionResult:
    """Compress; an interrupt of measurements or scores ends the process with exit code 130."""
    from oneshot.training.stop import Stopped

    try:
        return compression.run()
    except Stopped:
        raise
    except KeyboardInterrupt as interrupt:
        click.echo("stopped; what was measured and scored is kept: add --resume", err=True)
        raise SystemExit(130) from interrupt


def _settings(options: dict[str, Any]) -> CompressionSettings:
    from oneshot.compression.settings import FINE_TUNING, CompressionSettings

    names = ("learning_rate", "batch_size", "optimizer")
    changes = {name: options[name] for name in names if options[name] is not None}
    counts = ("measured", "scored", "minutes", "importance", "images", "supernet_epochs", "epochs")
    return CompressionSettings(
        **{name: options[name] for name in counts},
        recipe=replace(FINE_TUNING, **changes),
        distillation=options["distillation"],
        seed=options["seed"],
    )


def _space(
    network: str, options: dict[str, Any], settings: CompressionSettings, data: Any
) -> tuple[Any, Any]:
    """Return the space of the user's network, and the task of its head."""
    import torch

    from oneshot.compression.loading import check_task, load_space, register
    from oneshot.compression.scoring import training_losses
    from oneshot.tasks.registry import default_task, make_task

    space = load_space(
        network,
        options["weights"],
        torch.zeros(1, *options["input_shape"]),
        options["divisor"],
        options["resolutions"],
    )
    task = make_task(options["task"] or default_task(space.head), space)
    check_task(space, task, data)

    losses = training_losses(data, task, settings.importance, settings.seed)
    if losses is not None:
        space = space.ordered_by(losses)
    register(space)
    return space, task


def _backend(options: dict[str, Any]) -> tuple[Backend, dict[str, Any]]:
    from profiler.backends.base import Conditions
    from profiler.backends.registry import make_backend

    conditions = Conditions("cpu", options["batch"], "fp32", options["threads"], options["seed"])
    record = {
        "backend": options["backend_name"],
        "batch": conditions.batch,
        "threads": conditions.threads,
    }
    return make_backend(options["backend_name"], conditions), record
