"""One of two processes that were joined before the training began; process 0 prints what came of it
as JSON.
"""

import json
import sys
from pathlib import Path

import torch
from torch import distributed

import spaces
from oneshot.algorithms.spos import PathAlgorithm
from oneshot.data.registry import load
from oneshot.errors import InvalidOption
from oneshot.samplers import Uniform
from oneshot.training import Execution, fit
from oneshot.training.group import PartDone
from oneshot.training.recipe import Recipe

SMALL = (
    "spos-tiny(channels=(8, 16, 32), head_channels=16, input_size=16, repeats=(1, 1, 1),"
    " stem_channels=4)"
)
TWO = Execution(devices=2, accelerator="cpu", report_every=10, checkpoint_every=7)


def algorithm() -> PathAlgorithm:
    """What is trained, always the same."""
    space = spaces.get(SMALL)
    recipe = Recipe(epochs=1, batch_size=50, learning_rate=0.01)
    return PathAlgorithm(
        space.supernet(10, torch.Generator().manual_seed(3)), recipe, Uniform(space, 0)
    )


def main(folder: Path, rank: int) -> None:
    torch.set_num_threads(1)
    images = load("digits", spaces.get(SMALL).input_shape).train
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    refused = ""
    try:
        fit(
            algorithm(),
            images,
            folder / "refused",
            seed=0,
            execution=Execution(devices=3, accelerator="cpu"),
        )
    except InvalidOption as error:
        refused = str(error)
    told: list[str] = []
    joined, code = algorithm(), None
    try:
        fit(
            joined,
            images,
            folder / str(rank),
            seed=0,
            execution=TWO,
            progress=lambda share, text: told.append(text),
        )
    except PartDone as done:
        code = done.code
    distributed.barrier()
    distributed.destroy_process_group()
    if rank:
        assert (code, told, list((folder / str(rank)).iterdir())) == (0, [], [])
        return
    assert code is None
    spawned = algorithm()
    fit(spawned, images, folder / "spawned", seed=0, execution=TWO)
    pairs = zip(
        joined.model.state_dict().values(), spawned.model.state_dict().values(), strict=True
    )
    same = all(torch.equal(one, other) for one, other in pairs)
    print(json.dumps({"refused": refused, "told": told, "same": same}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
