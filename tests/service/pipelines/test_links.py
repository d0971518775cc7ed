"""Files of the catalog as links in the folder of an attempt, on whichever machine it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from service.admission.tasks import LinkedFile
from service.artifacts import Artifacts
from service.catalog.files import ChangedFile, FileReference
from service.kinds.base import Context, Progress
from service.kinds.pipeline import link_file
from spaces.errors import InvalidFile

LINK = "inputs/table-0.json"


class Nobody:
    """Hears of nothing."""

    def progress(self, progress: Progress) -> None:
        pass

    def cancelled(self) -> bool:
        return False


@pytest.fixture
def context(tmp_path: Path) -> Context:
    folder = tmp_path / "attempt"
    folder.mkdir()
    return Context("job", 1, folder, Artifacts(tmp_path / "results"), Nobody())


def test_a_file_of_a_folder_is_linked_while_it_is_unchanged(
    context: Context, tmp_path: Path
) -> None:
    path = tmp_path / "table.json"
    path.write_text("{}")
    file = LinkedFile(FileReference.from_path("phone", path), str(path), LINK)
    link_file(file, context)
    assert (context.folder / LINK).read_text() == "{}"

    path.write_text("{ }")
    with pytest.raises(ChangedFile, match="phone"):
        link_file(replace(file, link="inputs/other.json"), context)
    path.unlink()
    with pytest.raises(InvalidFile):
        link_file(replace(file, link="inputs/other.json"), context)


def test_an_upload_is_found_on_a_machine_that_lacks_its_path(context: Context) -> None:
    artifact, sha256 = context.artifacts.keep(b"{}")
    reference = FileReference("phone", "/of/another/machine.json", sha256, artifact)
    link_file(LinkedFile(reference, reference.path, LINK), context)
    assert (context.folder / LINK).read_text() == "{}"

    other = replace(reference, sha256="0" * 64)
    with pytest.raises(ChangedFile):
        link_file(LinkedFile(other, other.path, "inputs/other.json"), context)
