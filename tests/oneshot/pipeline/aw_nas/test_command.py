"""`pathfit pipeline convert` on configurations of aw_nas: each example is converted or refused."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

import spaces
from service.pathfit import main
from spaces.formats.files import read_architecture
from tests.oneshot.pipeline.aw_nas.configurations import arguments, build, convert_by_command, small

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "from-aw_nas.md"
CONVERTED = re.compile(r"^\| `(?P<file>[^`]+\.yaml)` \| (?P<result>.+?) \|$", re.MULTILINE)


def test_every_example_is_converted_or_refused_as_the_page_says(
    examples: Path, tmp_path: Path
) -> None:
    results = {match["file"]: match["result"] for match in CONVERTED.finditer(PAGE.read_text())}
    files = sorted(path.relative_to(examples).as_posix() for path in examples.rglob("*.yaml"))
    assert sorted(results) == files

    for file in files:
        output = tmp_path / "converted.yaml"
        result = convert_by_command(str(examples / file), "-o", str(output))
        if results[file].startswith("converted"):
            assert result.exit_code == 0, (file, result.output)
            checked = CliRunner().invoke(main, ["pipeline", "check", str(output)])
            assert checked.exit_code == 0, (file, checked.output)
            output.unlink()
        else:
            assert result.exit_code == 2, (file, result.output)
            assert not output.exists()
            # The page names the first key at fault, unless the file is a list.
            key = results[file].split("`")[1]
            assert key in result.output, (file, result.output)


def test_final_training_writes_the_architecture(examples: Path, tmp_path: Path) -> None:
    output = tmp_path / "final.yaml"
    result = convert_by_command(
        str(examples / "mloss" / "darts" / "darts_final.yaml"), "-o", str(output)
    )
    assert result.exit_code == 0, result.output

    retrain = arguments(build(output.read_text()), "retrain")
    assert retrain["--arch"] == [str(tmp_path / "final.genotype")]
    architecture = read_architecture(retrain["--arch"][0], spaces.get(retrain["--space"][0]))
    assert architecture.choices["normal_0_op_0"] == "sep_conv_3x3"
    assert float(retrain["--auxiliary"][0]) == 0.4
    assert float(retrain["--drop-path"][0]) == 0.2
    assert retrain["--cutout"] == ["16"]


def test_refused_file_writes_nothing(tmp_path: Path) -> None:
    output = tmp_path / "pipeline.yaml"
    result = convert_by_command(str(small(tmp_path, "cifar10\n", "coco\n")), "-o", str(output))
    assert result.exit_code == 2
    assert "--data coco:FOLDER" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.yaml"]
