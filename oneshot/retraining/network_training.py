"""Training the network of an architecture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from oneshot.data.images import ImageData
from oneshot.data.split import Split
from oneshot.data.structured import check_inputs, is_single
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.evaluation.recalibration import recalibrate
from oneshot.retraining.algorithm import Retraining
from oneshot.retraining.morphism import morph
from oneshot.retraining.options import RetrainOptions, augmented
from oneshot.retraining.supernet_weights import inherit, inherit_first_layers
from oneshot.run import Run, read_run
from oneshot.run_settings import MORPHISM, NETWORK, SUPERNET
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.passes import moved_inputs
from spaces.errors import InvalidParameter
from spaces.modules.supernet import Supernet
from spaces.progress import Progress, silent
from spaces.registry import get

# Smallest batch whose statistics represent the data.
_LEAST_BATCH = 250


def train_network(
    run: Run,
    progress: Progress = silent,
    execution: Execution | None = None,
    data: ImageData | None = None,
) -> nn.Module:
    """Train the network of an architecture, resume its training, or load the finished network.

    A final pass over training images recomputes the statistics of batch normalisation as a
    cumulative mean, like the last 1250 iterations of SPOS's release; `norm_batches` of 0 omits it.

    Args:
        run: Run of the kind `network`.
        progress: Called with every report.
        execution: Devices, precision, and intervals of checkpoints and reports; None for defaults.
        data: Data set of the run; None to load it.

    Raises:
        InvalidOption: The options need an auxiliary head or paths to drop, which the network lacks.
        InvalidRun: The initial weights are missing, or those of another network.
        Stopped: The training was interrupted by Ctrl-C; its checkpoint is written.
    """
    if run.weights.exists():
        return run.load()

    execution = execution or Execution()
    options = run.settings.retraining or RetrainOptions()
    recipe = run.settings.recipe
    seed = run.settings.seed
    data = data or run.data()
    train = data.train
    network, _ = _initial_network(run, options)
    algorithm = Retraining(network, recipe, options, run.passes(data), data)
    source = augmented(train, options)

    fit(
        algorithm,
        source,
        run.folder,
        seed=seed,
        augment=options.augment,
        execution=execution,
        progress=progress,
    )

    network = delivered(run, algorithm.deliver())
    if options.norm_batches:
        # Recompute the statistics of batch normalisation with the final weights.
        device = device_of(execution)
        size = max(recipe.batch_size, _LEAST_BATCH)
        batches = plain_batches(train, size, options.norm_batches, seed, device)
        recalibrate(network.to(device), batches, task=run.task)

    run.save(network.cpu())
    return network.eval()


def check(run: Run, data: ImageData) -> int:
    """Raise the errors of `train_network` before anything is trained or written.

    Returns:
        Number of the first blocks that begin with the weights of another network.
    """
    options = run.settings.retraining or RetrainOptions()
    check_inputs(data, run.space)
    data.check_batch(run.settings.recipe.batch_size)
    augmented(data.train, options).epochs(1, 0, augment=options.augment)
    if options.mixup and not is_single(data):
        raise InvalidOption(
            f"mixup is for images; the examples of {data.title} are several tensors"
        )
    run.task.check(data)
    network, copied = _initial_network(run, options)
    Retraining(network, run.settings.recipe, options, run.passes(data), data)
    return copied


def delivered(run: Run, trained: nn.Module) -> nn.Module:
    """Return the run's network with trained weights, without those of an auxiliary head."""
    network = run.build()
    weights = trained.state_dict()

    # The trained module may have an auxiliary head, which the run's network lacks.
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def device_of(execution: Execution) -> torch.device:
    """Return the device of one process of a training."""
    gpu = execution.accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")


def _initial_network(run: Run, options: RetrainOptions) -> tuple[nn.Module, int]:
    """Return the network with random or another run's weights, and an auxiliary head if needed.

    The second value is the number of first blocks that have those of another network.
    """
    network = _with_head(run) if options.auxiliary else run.build()
    init = run.settings.init
    if init is None:
        return network, 0

    source = read_run(init.run, SUPERNET if init.kind == SUPERNET else NETWORK)
    if init.kind == SUPERNET:
        _check_supernet(source, run)

    # The run records the digest: with other weights its result would not be reproducible.
    if source.weights_digest() != init.weights:
        raise InvalidRun(
            f"{source.folder}: its weights are not those that this training began with"
        )

    trained = source.load()
    if init.kind == SUPERNET:
        assert isinstance(trained, Supernet)
        inherit(network, trained, run.architecture)
        return network, 0
    if init.kind == MORPHISM:
        _morph(network, trained, run, source)
        return network, 0

    return network, inherit_first_layers(network, trained, source.folder)


def _morph(network: nn.Module, trained: nn.Module, run: Run, source: Run) -> None:
    """Give a network the function of a smaller one; raises InvalidRun where it cannot have it."""
    if source.settings.num_classes != run.settings.num_classes:
        raise InvalidRun(
            f"{source.folder}: the network's classes are {source.settings.num_classes}, not the"
            f" {run.settings.num_classes} of the data set"
        )

    morph(
        network,
        trained,
        run.space.blocks(run.architecture),
        source.space.blocks(source.architecture),
        run.settings.seed,
    )


def _check_supernet(source: Run, run: Run) -> None:
    """Raise InvalidRun where a supernet is of another space or of other data than a network."""
    vocabularies = [
        settings.data.get("vocabulary", "")[:16] or "none"
        for settings in (source.settings, run.settings)
    ]
    for field, supernet_value, network_value in (
        ("vocabulary is", *vocabularies),
        ("space is", source.space.name, run.space.name),
        ("classes are", source.settings.num_classes, run.settings.num_classes),
    ):
        if supernet_value != network_value:
            raise InvalidRun(
                f"{source.folder}: the supernet's {field} {supernet_value}, the network's"
                f" {network_value}"
            )


def _with_head(run: Run) -> nn.Module:
    """Return the run's network with random weights and an auxiliary head."""
    try:
        space = get(run.space.name, auxiliary=True)
    except InvalidParameter as error:
        raise InvalidOption(
            f"auxiliary: networks of {run.space.name} have no auxiliary head: {error}"
        ) from error

    # The same seed as without the head.
    generator = torch.Generator().manual_seed(run.settings.seed)
    architecture = space.architecture(run.architecture.choices)
    return space.network(architecture, run.settings.num_classes, generator)


def plain_batches(
    images: Split, size: int, limit: int, seed: int, device: torch.device
) -> Iterator[Any]:
    """Yield up to `limit` batches of training images without augmentation, of at most one pass."""
    loader = images.epochs(min(size, len(images)), seed)
    for number, (batch, _) in enumerate(loader):
        if number == limit:
            return
        yield moved_inputs(batch, device)
