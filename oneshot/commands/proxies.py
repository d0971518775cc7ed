"""`python -m oneshot proxies`: what untrained networks tell of their accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options import DATA, FILE, POSITIVE, SEED, Command, load_data, set_threads
from spaces.console.group import example

if TYPE_CHECKING:
    from spaces.space import Codes, SearchSpace

PROXIES = ("synflow", "jacob_cov", "naswot", "snip", "grad_norm", "zen", "params", "macs")


def _data_options(command: Command) -> Command:
    for option in reversed(DATA):
        command = option(command)
    return command


@click.command(
    epilog=example(
        """
        python -m oneshot proxies --space nasbench201 --data digits -n 500 -o proxies.jsonl
        python -m oneshot proxies --space spos-tiny --archs a.jsonl --proxy naswot -o b.jsonl
        """
    )
)
@click.option("--space", "space_name", required=True, help="The space of the architectures.")
@_data_options
@click.option(
    "-n",
    "count",
    type=POSITIVE,
    default=200,
    show_default=True,
    help="How many architectures, drawn.",
)
@click.option(
    "--archs", type=FILE, default=None, help="Measure these (JSON lines) and not a uniform sample."
)
@click.option(
    "--proxy", "names", multiple=True, type=click.Choice(PROXIES), help="Which.  [default: all]"
)
@click.option(
    "--images",
    "images",
    type=POSITIVE,
    default=64,
    show_default=True,
    help="Training images looked at.",
)
@click.option(
    "--repeats",
    type=POSITIVE,
    default=1,
    show_default=True,
    help="Networks drawn of one architecture.",
)
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Of the sample, the images and the weights.",
)
@click.option(
    "--device", default="cpu", show_default=True, help="Where networks run: cpu, gpu, gpu:1, auto."
)
@click.option("--threads", type=POSITIVE, default=None, help="Torch threads.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def proxies(
    space_name: str,
    count: int,
    archs: Path | None,
    names: tuple[str, ...],
    images: int,
    repeats: int,
    seed: int,
    device: str,
    threads: int | None,
    output: Path,
    **options: Any,
) -> None:
    """Measure zero-cost proxies of architectures, as JSON lines; goes on where it was stopped.

    Architectures that are one network (such as isomorphic cells of NAS-Bench-201) are measured
    once. Greater values promise better accuracy; they are features for `python -m predictor train`,
    or rank by themselves.
    """
    import numpy as np

    from oneshot.errors import InvalidRun
    from oneshot.evaluation.device import find_device
    from predictor.proxies.survey import Survey
    from spaces.console.progress import Bar
    from spaces.registry import get
    from tables.evaluation import Evaluation, Journal

    set_threads(threads)
    space, chosen = get(space_name), names or PROXIES
    codes = _codes(space, archs, count, seed)
    data = load_data(options, space.input_shape)
    rows = np.random.default_rng(seed).permutation(len(data.train))[:images]
    pixels, labels = data.train.tensors(np.sort(rows))
    where = find_device(device)
    survey = Survey(
        space, pixels.to(where), labels.to(where), data.num_classes, chosen, seed, repeats
    )
    source = {"kind": "proxies", "data": data.name, "digest": data.digest, "images": len(labels)}
    source |= {"seed": seed, "repeats": repeats}
    journal = Journal(output, space.name)
    done = {evaluation.architecture: evaluation.metrics for evaluation in journal.done}
    for evaluation in journal.done:
        if dict(evaluation.source) != source or set(evaluation.metrics) != set(chosen):
            raise InvalidRun(
                f"{output} holds other proxies, or of other images or seeds; choose another file"
            )
    measured = 0
    left = codes[[architecture not in done for architecture in space.decode(codes)]]
    with Bar(f"measuring {', '.join(chosen)} with {len(labels)} images of {data.title}") as bar:
        for index, (architecture, values, new) in enumerate(survey.run(left, list(done.items()))):
            journal.append(Evaluation(architecture, values, source))
            measured += new
            bar.update(
                (len(codes) - len(left) + index + 1) / len(codes), f"{index + 1}/{len(left)}"
            )
    click.echo(
        f"wrote {output}: {len(journal.done)} architectures, {measured} networks measured now"
    )


def _codes(space: SearchSpace, archs: Path | None, count: int, seed: int) -> Codes:
    import numpy as np

    from spaces.codes import distinct
    from spaces.formats import read_architectures

    if archs is not None:
        return distinct(space.encode(read_architectures(archs, space)))
    if count >= space.size:
        return np.concatenate(list(space.enumerate_codes()))
    drawn, rng = (
        space.sample(rng=np.random.default_rng(seed), n=2 * count),
        np.random.default_rng([seed, 1]),
    )
    while len(found := distinct(drawn)) < count:
        drawn = np.concatenate([drawn, space.sample(rng, count)])
    return found[:count]
