"""Guides: what results record of them."""

import json
from pathlib import Path

from oneshot.run import begin
from oneshot.run_settings import RunSettings
from oneshot.search.guide_registry import guide_named
from oneshot.training.recipe import Recipe
from spaces import ChainSpace


def test_a_supernet_that_has_a_name_does_not_tell_its_folder(
    small: ChainSpace, tmp_path: Path
) -> None:
    """As the service calls it, whose answers others read."""
    settings = {
        "kind": "supernet",
        "space": small.name,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
        "recipe": Recipe().to_dict(),
        "seed": 0,
    }
    run = begin(tmp_path / "supernet", RunSettings.from_dict(settings), resume=False)
    run.save(run.build())
    named = guide_named(f"supernet:{run.folder}", small, name="mine").to_dict()
    assert named["name"] == named["run"] == "mine"
    assert str(tmp_path) not in json.dumps(named)
    plain = guide_named(f"supernet:{run.folder}", small).to_dict()
    assert plain == {**named, "name": str(run.folder), "run": str(run.folder)}
