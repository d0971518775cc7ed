"""The command `python -m oneshot derive`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import FILE, SEED
from oneshot.commands.options.evaluation import evaluation_options, supernet_evaluation
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FOLDER

if TYPE_CHECKING:
    from oneshot.search.result import SearchResult


@click.command(
    epilog=example(
        "python -m oneshot derive found.json -n 5 --evaluate supernet:runs/supernet -o derived"
    )
)
@click.argument("result_file", metavar="RESULT", type=FILE)
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of architectures.",
)
@click.option(
    "--pick",
    type=click.Choice(["best", "front", "random"]),
    default="best",
    show_default=True,
    help=(
        "The best by score, the Pareto front (all of it without -n), or a random sample of all"
        " candidates."
    ),
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the random sample.")
@click.option(
    "--evaluate",
    "guide_text",
    default=None,
    help="Score again by supernet:FOLDER, predictor:FILE, ...",
)
@click.option(
    "--format",
    "format_name",
    default="pathfit",
    show_default=True,
    help="Format of the files; see `python -m spaces formats`.",
)
@evaluation_options
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FOLDER,
    required=True,
    help="Folder for the files.",
)
def derive(
    result_file: Path,
    count: int,
    pick: str,
    seed: int,
    guide_text: str | None,
    format_name: str,
    output: Path,
    **evaluation: Any,
) -> None:
    """Write architectures of a finished search to files, and a list of their scores.

    The files are numbered from the best. RESULT is a file that `search` wrote, or a job of the
    service with its candidates. The options from --images on apply to --evaluate by a supernet and
    have the meaning that they have for `evaluate`.
    """
    import json

    import numpy as np

    from oneshot.search.guide import check_scores
    from oneshot.search.guide_registry import guide_named
    from oneshot.search.result import read_result
    from spaces import formats
    from spaces.files import write_text
    from spaces.formats.registry import get as format_of
    from spaces.registry import get

    result = read_result(result_file)
    space = get(result.space)
    format_of(format_name)

    count_source = click.get_current_context().get_parameter_source("count")
    is_default = count_source is click.core.ParameterSource.DEFAULT
    ranks = _ranks(result, pick, None if pick == "front" and is_default else count, seed)
    codes = np.asfortranarray(result.codes[ranks])
    scores = result.scores[ranks]
    if guide_text is not None:
        guide = guide_named(guide_text, space, lambda run: supernet_evaluation(run, evaluation))
        scores, _ = guide.score(codes)
        check_scores(space, codes, scores)
    texts = [formats.write(architecture, format_name) for architecture in space.decode(codes)]

    lines = []
    for number, index in enumerate(np.argsort(-scores, kind="stable").tolist(), 1):
        text = texts[index]
        name = f"{number:03d}.{_suffix(text)}"
        write_text(output / name, text.rstrip("\n") + "\n")

        candidate = result.candidate(ranks[index])
        score = float(scores[index])
        line = {"file": name, **candidate.to_dict(), "rank": ranks[index], "score": score}
        if guide_text is not None:
            line["searched_score"] = candidate.score
        lines.append(json.dumps(line))

        costs = ", ".join(f"{metric} {value:.5g}" for metric, value in candidate.costs.items())
        click.echo(f"{name}: score {score:.4g}, {costs}")

    write_text(output / "derived.jsonl", "\n".join(lines) + "\n")
    click.echo(f"wrote {output}: {len(lines)} architectures and derived.jsonl")


def _suffix(text: str) -> str:
    """Return the ending of a file with this text: `json` or `txt`."""
    return "json" if text.lstrip()[:1] in "{[" else "txt"


def _ranks(result: SearchResult, pick: str, count: int | None, seed: int) -> list[int]:
    import numpy as np

    if pick == "front":
        return result.front()[:count]
    if pick == "random":
        return sorted(np.random.default_rng(seed).permutation(len(result))[:count].tolist())
    return list(range(len(result)))[:count]
