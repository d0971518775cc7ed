"""Small configurations of aw_nas, and what they are converted to."""

from __future__ import annotations

import itertools
from pathlib import Path

from click.testing import CliRunner, Result

from oneshot.pipeline.building import build_pipeline
from oneshot.pipeline.document import parse_document
from oneshot.pipeline.pipeline import Pipeline
from service.pathfit import main


def build(text: str) -> Pipeline:
    """Build the pipeline of a converted configuration."""
    return build_pipeline(parse_document(text, Path("converted.yaml")), Path("out"))


def arguments(pipeline: Pipeline, stage: str) -> dict[str, list[str]]:
    """Return the arguments of a stage by option."""
    values: dict[str, list[str]] = {}
    texts = pipeline.stage(stage).arguments
    for name, value in itertools.pairwise(texts):
        if name.startswith("-"):
            values.setdefault(name, []).append(value)
    return values


def convert_by_command(*texts: str) -> Result:
    """Run `pathfit pipeline convert` with some arguments."""
    return CliRunner().invoke(main, ["pipeline", "convert", *texts])


SMALL = """\
search_space_type: cnn
search_space_cfg: {{num_layers: 8}}
dataset_type: cifar10
controller_type: differentiable
controller_cfg: {{use_prob: true}}
evaluator_type: mepa
evaluator_cfg:
  batch_size: 64
  mepa_optimizer: {{lr: 0.025, momentum: 0.9, type: SGD, weight_decay: 3.e-4}}
  mepa_scheduler: {{type: CosineAnnealingLR, T_max: 50, eta_min: 0.0001}}
  data_portion: [0.0, 0.5, 0.5]
weights_manager_type: diff_supernet
weights_manager_cfg: {{init_channels: 16, num_classes: 10}}
objective_type: classification
trainer_type: simple
trainer_cfg:
  epochs: 50
  controller_optimizer: {{type: Adam, lr: 3.e-4}}
  interleave_controller_every: 1
{extra}
"""


def small(folder: Path, old: str = "", new: str = "", extra: str = "") -> Path:
    """Write the small configuration.

    Args:
        folder: Folder of the file.
        old: Text that is replaced.
        new: Text that replaces it.
        extra: Lines at the end.
    """
    path = folder / "small.yaml"
    path.write_text(SMALL.format(extra=extra).replace(old, new))
    return path
