"""From a file of aw_nas to the text of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneshot.pipeline.aw_nas.benchmarks import BENCHMARKS, convert_benchmark_search
from oneshot.pipeline.aw_nas.configuration import Configuration, read_configuration
from oneshot.pipeline.aw_nas.differentiable import convert_differentiable
from oneshot.pipeline.aw_nas.elastic import convert_elastic
from oneshot.pipeline.aw_nas.enas import convert_enas
from oneshot.pipeline.aw_nas.final import convert_final
from oneshot.pipeline.aw_nas.replacements import refuse_all
from oneshot.pipeline.aw_nas.sampled import CONTROLLERS, WEIGHTS, convert_sampled
from oneshot.pipeline.aw_nas.zero_shot import convert_zero_shot
from oneshot.pipeline.faults import Fault

_NEXT = "# Stages that may follow: retrain: {}, export: {}, measure: {}"


@dataclass(frozen=True)
class Conversion:
    """A configuration of aw_nas as a pipeline.

    Args:
        text: Pipeline in YAML, with the notes as comments.
        notes: Keys of the configuration that the pipeline leaves out, each with the reason.
        architecture: Text of the file of the architecture that the pipeline retrains; None where
            it searches.
    """

    text: str
    notes: tuple[Fault, ...]
    architecture: str | None = None


def convert(
    path: str | Path,
    *,
    space: str | None = None,
    data: str | None = None,
    architecture: str | None = None,
) -> Conversion:
    """Convert a configuration of aw_nas.

    Searches by DARTS, SNAS, ENAS and FBNet, supernets of Once-for-All and of random paths, proxies
    of random architectures, searches in benchmarks and final trainings of cells are converted.

    Args:
        path: YAML file of aw_nas.
        space: Space in place of the file's, such as one for blocks of a plug-in; None for the
            file's.
        data: Data set in place of the file's; None for the file's.
        architecture: Path that the pipeline has for the file of a final training's architecture;
            None where no file can be written, so that final trainings are refused.

    Returns:
        Pipeline, for `pathfit pipeline check`, which also looks for its files.

    Raises:
        InvalidFile: The file cannot be read.
        InvalidPipeline: It is no configuration, or has keys that a pipeline cannot express; each
            is named with its replacement.
    """
    configuration = read_configuration(path)
    pipeline, architecture_text = _convert(configuration, space, data, architecture)
    configuration.finish()

    notes = tuple(dict.fromkeys(configuration.notes))
    text = _render(Path(path).name, pipeline, notes)
    return Conversion(text, notes, architecture_text)


def _convert(
    configuration: Configuration, space: str | None, data: str | None, architecture: str | None
) -> tuple[dict[str, Any], str | None]:
    """Return the pipeline, and the text of the architecture that it retrains."""
    if configuration.is_set("final_model_type") and not configuration.is_set("controller_type"):
        return convert_final(configuration, space, data, architecture)

    controller = configuration.get("controller_type")
    search_space = configuration.get("search_space_type")
    if controller == "differentiable" and configuration.get("trainer_type") == "simple":
        return convert_differentiable(configuration, space, data), None
    if controller == "rl":
        return convert_enas(configuration, space, data), None
    is_final = configuration.is_set("final_model_type")
    if controller == "ofa" and search_space == "ofa" and not is_final:
        return convert_elastic(configuration, space, data), None
    if search_space in BENCHMARKS and configuration.get("evaluator_type") == search_space:
        return convert_benchmark_search(configuration), None

    is_known = search_space in WEIGHTS or space is not None
    if controller in CONTROLLERS and is_known and not is_final:
        is_trained = configuration.get("objective_type") != "zero-shot"
        convert_paths = convert_sampled if is_trained else convert_zero_shot
        return convert_paths(configuration, space, data), None

    refuse_all(configuration)
    raise AssertionError("refuse_all raises")


def _render(name: str, pipeline: Mapping[str, Any], notes: tuple[Fault, ...]) -> str:
    """Return a pipeline in YAML with the notes as comments."""
    import yaml

    lines = [f"# From {name}, a configuration of aw_nas."]
    if notes:
        lines += ["# Left out, by line and key of that file:", *(f"#   {note}" for note in notes)]
    if "retrain" not in pipeline:
        lines.append(_NEXT)
    body = yaml.safe_dump(dict(pipeline), sort_keys=False, width=96, default_flow_style=None)
    return "\n".join(lines) + "\n" + body
