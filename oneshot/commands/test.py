"""The command `python -m oneshot test`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import POSITIVE, UNDER, set_threads
from oneshot.commands.options.data import DATA
from spaces.console.group import example
from spaces.console.options import with_options
from spaces.console.outputs import OUTPUT_FILE

if TYPE_CHECKING:
    from torch import nn

    from oneshot.data.images import ImageData
    from oneshot.export.onnx_network import OnnxNetwork
    from oneshot.export.onnx_text import OnnxTextNetwork
    from spaces.architecture import Architecture


@click.command(
    epilog=example(
        """
        python -m oneshot test runs/network
        python -m oneshot test network.onnx --data cifar10
        python -m oneshot test runs/detector --picture found.png
        python -m oneshot test runs/network --attack deepfool --attack "bim(norm='linf')"
        """
    )
)
@click.argument("network", metavar="RUN|FILE.onnx", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--data",
    default=None,
    help="Data set of as many classes.  [default: the data set of the training]",
)
# --data has another default here.
@with_options(*DATA[1:])
@click.option(
    "--task",
    "task_name",
    default=None,
    help="Task that has the metrics, with options.  [default: the task of the training]",
)
@UNDER
@click.option(
    "--attack",
    "attacks",
    multiple=True,
    help="Attack that searches the least change of each image that deceives the network; may be"
    " repeated; see `pathfit list attack`.",
)
@click.option(
    "--attack-images",
    type=POSITIVE,
    default=1000,
    show_default=True,
    help="Number of test images that are attacked.",
)
@click.option("--threads", type=POSITIVE, default=None, help="Number of torch's threads.")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="JSON file for the report.",
)
@click.option(
    "--picture",
    type=OUTPUT_FILE,
    default=None,
    help="PNG file for test images with the boxes or masks that are labelled and found.",
)
def test(
    network: Path,
    task_name: str | None,
    output: Path | None,
    picture: Path | None,
    **options: Any,
) -> None:
    """Test a retrained or exported network on the test part of a data set.

    The report has the metrics of the network's task; of a classification the top-1 and top-5
    accuracies and the cross-entropy.
    """
    from oneshot.errors import InvalidOption
    from oneshot.perturbations.conditions import Conditions
    from oneshot.perturbations.minimal.report import attack_on_test
    from oneshot.perturbations.minimal.report import in_words as distances_in_words
    from oneshot.retraining.report import in_words, report_on_test
    from oneshot.retraining.result_sheet import result_sheet
    from oneshot.tasks.registry import DEFAULT, canonical, make_task
    from spaces.files import write_text
    from spaces.registry import get

    set_threads(options["threads"])
    conditions = Conditions.parse(options["under"]) if options["under"] else None
    if task_name is not None:
        task_name = canonical(task_name)
    load = _from_run if network.is_dir() else _from_onnx
    model, data, trained_for, architecture = load(network, options)
    task_name = task_name or trained_for
    space = None
    # The outputs of other tasks may mean nothing without the space; a classifier's need no look at
    # it, which may be a plug-in's.
    if architecture is not None and task_name != DEFAULT:
        space = get(architecture.space)
    task = make_task(task_name, space, architecture)
    task.check(data)
    if picture is not None and not task.has_pictures:
        raise InvalidOption(f"picture: results of the task {task.name} have none; leave it out")

    # First, since tasks that cannot be attacked are refused.
    attacked = {}
    if options["attacks"]:
        attacked = attack_on_test(model, data, options["attacks"], options["attack_images"])
    report = {
        **report_on_test(model, data, task=task, conditions=conditions),
        "task": task_name,
        "network": str(network),
    }
    if attacked:
        report["attacks"] = attacked
    if output is not None:
        write_text(output, json.dumps(report, indent=1) + "\n")
    click.echo(in_words(report, task))
    for text, distances in attacked.items():
        click.echo(distances_in_words(text, distances))
    if output is not None:
        click.echo(f"wrote {output}")
    if picture is not None:
        result_sheet(model, data, task, picture)
        click.echo(f"wrote {picture}")


def _from_run(
    folder: Path, options: dict[str, Any]
) -> tuple[nn.Module, ImageData, str, Architecture | None]:
    """Return a run's network, its data set, the name of its task, and its architecture."""
    from oneshot.run import read_run

    run = read_run(folder, "network")
    model = run.load()
    if options["data"] is None:
        return model, run.data(), run.settings.task, run.architecture
    data = _other_data(options, run.input_shape, run.settings.data)
    _check_classes(options["data"], data, run.settings.num_classes)
    return model, data, run.settings.task, run.architecture


def _from_onnx(
    path: Path, options: dict[str, Any]
) -> tuple[nn.Module, ImageData, str, Architecture | None]:
    """Return a file's network, its data set, the name of its task, and its architecture."""
    from oneshot.data.registry import reload
    from oneshot.errors import InvalidOption
    from oneshot.tasks.registry import DEFAULT
    from spaces.architecture import Architecture
    from spaces.errors import UnknownName

    model = _onnx_network(path)
    task = model.metadata.get("task", DEFAULT)
    text = model.metadata.get("architecture")
    architecture = None if text is None else Architecture.from_json(text)
    if options["data"] is not None:
        record = json.loads(model.metadata.get("data", "{}"))
        data = _other_data(options, model.input_shape, record)
        _check_classes(options["data"], data, _classes_of(model))
        return model, data, task, architecture
    if "data" not in model.metadata:
        raise InvalidOption(f"{path} does not name its data set; give --data")
    record = json.loads(model.metadata["data"])
    try:
        return model, reload(record, model.input_shape), task, architecture
    except UnknownName as error:
        # An exported file has a folder's name, not its path on the machine of the training.
        raise InvalidOption(
            f"{path} was trained on {record['name']!r}, which is not found; give --data FOLDER"
        ) from error


def _onnx_network(path: Path) -> OnnxNetwork | OnnxTextNetwork:
    """Return the network of a file: one of text if its first input are integers."""
    from oneshot.export.onnx_network import OnnxNetwork, open_session
    from oneshot.export.onnx_text import OnnxTextNetwork

    session = open_session(path)
    inputs = session.get_inputs()
    if inputs and inputs[0].type == "tensor(int64)":
        return OnnxTextNetwork(path, session)
    return OnnxNetwork(path, session)


def _classes_of(model: OnnxNetwork | OnnxTextNetwork) -> int:
    import torch

    # Of a detector that finds objects itself, no output has a column for each class.
    if "data" in model.metadata:
        return int(json.loads(model.metadata["data"])["num_classes"])
    return int(model(torch.zeros(1, *model.input_shape)).shape[1])


def _other_data(options: dict[str, Any], shape: Any, record: Mapping[str, Any]) -> ImageData:
    """Load the data set of --data.

    Args:
        options: Values of the command's options.
        shape: Shape of one input of the network.
        record: Record of the data set of the training, whose options of texts are the defaults.

    Raises:
        InvalidOption: Tokens of the text have other numbers than those of the training.
    """
    from oneshot.commands.options.data import load_data
    from oneshot.errors import InvalidOption

    # Data of other kinds have no such options.
    of_text = record.get("text") or {} if options["data"].startswith("text:") else {}
    defaults = {name: value for name, value in of_text.items() if options[name] is None}
    data = load_data({**options, **defaults}, shape)

    vocabularies = [value.get("vocabulary") for value in (data.record(), record)]
    if vocabularies[0] != vocabularies[1]:
        digests = [(digest or "none")[:16] for digest in vocabularies]
        raise InvalidOption(
            f"--data {options['data']!r} has the vocabulary {digests[0]}, the network {digests[1]}:"
            " a network reads the tokens of its own training part; leave out --data"
        )
    return data


def _check_classes(name: str, data: ImageData, classes: int) -> None:
    """Refuse a data set of another number of classes than the network's."""
    from oneshot.errors import InvalidOption

    if data.num_classes != classes:
        raise InvalidOption(
            f"--data {name!r} has {data.num_classes} classes, the network {classes}"
        )
