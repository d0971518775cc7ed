"""The command `python -m oneshot proxies`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import (
    POSITIVE,
    SAMPLE,
    SEED,
    TASK,
    set_threads,
)
from oneshot.commands.options.data import DATA, load_data
from spaces.console.group import example
from spaces.console.options import with_options
from spaces.console.outputs import OUTPUT_LINES

if TYPE_CHECKING:
    import torch
    from torch import nn

    from oneshot.data.images import ImageData
    from predictor.proxies.survey import Survey
    from spaces.architecture import Architecture
    from spaces.space import Codes, SearchSpace
    from tables.evaluation import Journal

PROXIES = (
    "synflow",
    "jacob_cov",
    "naswot",
    "snip",
    "grad_norm",
    "plain",
    "grasp",
    "fisher",
    "synflow_bn",
    "relu_count",
    "zen",
    "expressivity",
    "progressivity",
    "trainability",
    "swap",
    "zico",
    "meco",
    "ntk_logdet",
    "params",
    "macs",
)


@click.command(
    epilog=example(
        """
        python -m oneshot proxies --space nasbench201 --data digits -n 500 -o proxies.jsonl
        python -m oneshot proxies --space spos-tiny --archs a.jsonl --proxy naswot -o b.jsonl
        """
    )
)
@click.option("--space", "space_name", required=True, help="Space of the architectures.")
@with_options(*DATA, TASK, *SAMPLE)
@click.option(
    "--proxy",
    "names",
    multiple=True,
    type=click.Choice(PROXIES),
    help="Proxy to measure; may be repeated.  [default: all]",
)
@click.option(
    "--images",
    "images",
    type=POSITIVE,
    default=64,
    show_default=True,
    help="Number of training images.",
)
@click.option(
    "--repeats",
    type=POSITIVE,
    default=1,
    show_default=True,
    help="Number of random initialisations per architecture.",
)
@click.option(
    "--supernet",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="Folder of a trained supernet, whose weights the networks have."
    "  [default: random weights]",
)
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Seed of the sample, the images and the weights.",
)
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    help="Device of the networks: cpu, gpu, gpu:1 or auto.",
)
@click.option("--threads", type=POSITIVE, default=None, help="Number of torch's threads.")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_LINES,
    required=True,
    help="File for the proxies, JSON lines.",
)
def proxies(
    space_name: str,
    count: int,
    archs: Path | None,
    names: tuple[str, ...],
    images: int,
    repeats: int,
    supernet: Path | None,
    seed: int,
    device: str,
    threads: int | None,
    output: Path,
    **options: Any,
) -> None:
    """Measure zero-cost proxies of architectures, and write JSON lines.

    Architectures with the same network, such as isomorphic cells of NAS-Bench-201, are measured
    once. Greater values promise better accuracy; they rank architectures, or are features for
    `python -m predictor train`. An interrupted measurement resumes when the command is repeated.
    """
    from oneshot.evaluation.device import find_device
    from oneshot.run import read_run
    from oneshot.run_settings import SUPERNET
    from oneshot.tasks.registry import DEFAULT, canonical, make_task
    from predictor.proxies.survey import Survey
    from spaces.registry import get

    set_threads(threads)
    space = get(space_name)
    task_name = canonical(options["task"] or DEFAULT)
    task = make_task(task_name, space)
    proxy_names = names or PROXIES
    codes = _codes(space, archs, count, seed)
    data = load_data(options, space.input_shape)
    task.check(data)
    pixels, targets = _sample_images(data, images, seed)
    torch_device = find_device(device)
    survey = Survey(
        space,
        pixels.to(torch_device),
        targets.to(torch_device),
        data.num_classes,
        proxy_names,
        seed,
        repeats,
        task.loss,
        None if supernet is None else _inheriting(supernet, space, data, repeats),
    )

    source = {"kind": "proxies", "data": data.name, "digest": data.digest, "images": len(targets)}
    source |= {"seed": seed, "repeats": repeats, "task": task_name}
    if supernet is not None:
        source["supernet"] = read_run(supernet, SUPERNET).weights_digest()
    journal = _journal(output, space, source, proxy_names)

    title = f"measuring {', '.join(proxy_names)} with {len(targets)} images of {data.title}"
    num_measured = _measure(survey, codes, journal, source, title)
    click.echo(
        f"wrote {output}: {len(journal.done)} architectures, {num_measured} networks measured now"
    )


def _inheriting(
    folder: Path, space: SearchSpace, data: ImageData, repeats: int
) -> Callable[[nn.Module, Architecture], None]:
    """Return a function that copies the weights of a supernet's path to a network.

    Args:
        folder: Folder of the supernet's run.
        space: Space of the networks.
        data: Data set, whose number of classes networks have.
        repeats: Number of random initialisations, of which there are none.

    Raises:
        InvalidOption: Several initialisations are requested.
        InvalidRun: The training is not complete, or of another space or other classes.
    """
    from oneshot.errors import InvalidOption, InvalidRun
    from oneshot.retraining.supernet_weights import inherit
    from oneshot.run import read_run
    from oneshot.run_settings import SUPERNET
    from spaces.modules.supernet import Supernet

    if repeats > 1:
        raise InvalidOption(f"repeats: a supernet has one set of weights, not {repeats}")

    run = read_run(folder, SUPERNET)
    for field, recorded, requested in (
        ("space", run.space.name, space.name),
        ("number of classes", run.settings.num_classes, data.num_classes),
    ):
        if recorded != requested:
            raise InvalidRun(f"{folder}: the supernet's {field} is {recorded}, not {requested}")
    if not run.weights.exists():
        raise InvalidRun(f"{folder}: the training is not complete; resume it by --resume")

    trained = run.load()
    assert isinstance(trained, Supernet)
    return lambda network, architecture: inherit(network, trained, architecture)


def _sample_images(data: ImageData, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return training images with their targets, at random.

    Raises:
        InvalidOption: An example of the data set is more than one tensor, or tokens of a text.
    """
    import numpy as np

    from oneshot.data.structured import is_single
    from oneshot.errors import InvalidOption

    if not is_single(data):
        raise InvalidOption(
            f"proxies are measured with images; the examples of {data.title} are several tensors"
        )
    rows = np.random.default_rng(seed).permutation(len(data.train))[:count]
    inputs, targets = data.train.tensors(np.sort(rows))
    if not inputs.is_floating_point():
        raise InvalidOption(
            f"data: proxies are measured with images; the examples of {data.title} are tokens of a"
            " text"
        )
    return inputs, targets


def _measure(
    survey: Survey, codes: Codes, journal: Journal, source: dict[str, Any], title: str
) -> int:
    """Measure the architectures that a journal lacks, and append them to it.

    Args:
        survey: Proxies to measure.
        codes: Codes [n, choices] of all architectures.
        journal: Measurements so far.
        source: Source of the measurements.
        title: Title of the progress bar.

    Returns:
        The number of networks that were measured; isomorphic architectures share one.
    """
    from spaces.console.progress import Bar
    from tables.evaluation import Evaluation

    done = {evaluation.architecture: evaluation.metrics for evaluation in journal.done}
    is_pending = [architecture not in done for architecture in survey.space.decode(codes)]
    pending = codes[is_pending]

    num_measured = 0
    with Bar(title) as bar:
        measured = survey.run(pending, list(done.items()))
        for index, (architecture, values, is_new) in enumerate(measured, 1):
            journal.append(Evaluation(architecture, values, source))
            num_measured += is_new
            num_done = len(codes) - len(pending) + index
            bar.update(num_done / len(codes), f"{index}/{len(pending)}")
    return num_measured


def _journal(
    output: Path, space: SearchSpace, source: dict[str, Any], proxy_names: Sequence[str]
) -> Journal:
    """Return the journal of a file, whose measurements must be of the same kind."""
    from oneshot.errors import InvalidRun
    from oneshot.tasks.registry import with_task
    from tables.evaluation import Journal

    journal = Journal(output, space.name)
    for evaluation in journal.done:
        if with_task(evaluation.source) != source or set(evaluation.metrics) != set(proxy_names):
            raise InvalidRun(
                f"{output} holds other proxies, or of other images or seeds; choose another file"
            )
    return journal


def _codes(space: SearchSpace, archs: Path | None, count: int, seed: int) -> Codes:
    import numpy as np

    from spaces.codes import distinct
    from spaces.formats import read_architectures

    if archs is not None:
        return distinct(space.encode(read_architectures(archs, space)))
    if count >= space.size:
        return np.concatenate(list(space.enumerate_codes()))

    # The first sample is that of `evaluate`, so that both commands share their architectures.
    samples = space.sample(np.random.default_rng(seed), 2 * count)
    rng = np.random.default_rng([seed, 1])
    while len(codes := distinct(samples)) < count:
        samples = np.concatenate([samples, space.sample(rng, count)])
    return codes[:count]
