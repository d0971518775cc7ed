"""Folders of small pictures, whole and broken."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Painter = Callable[[int, int, int], Image.Image]


def painted(width: int, height: int, seed: int) -> Image.Image:
    """A smooth picture with some structure, in RGB."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(
        rng.integers(0, 256, (max(height // 16, 2), max(width // 16, 2), 3), dtype=np.uint8)
    )
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, **options: object) -> bytes:
    """The picture as a JPEG file."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=92, **options)
    return content.getvalue()


@pytest.fixture
def paint() -> Painter:
    """Makes pictures (width, height, seed)."""
    return painted


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """Makes JPEG files of pictures."""
    return jpeg


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, 12 + 12 pictures for training and 5 + 5 for testing, of many sizes."""
    root = tmp_path_factory.mktemp("photographs")
    for part, count in (("train", 12), ("val", 5)):
        for label, name in enumerate(("ants", "bees")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                size = np.random.default_rng([label, index, count]).integers(60, 200, 2)
                picture = painted(int(size[0]), int(size[1]), 100 * label + index + count)
                (folder / f"{index:02}.jpg").write_bytes(jpeg(picture))
    return root


@pytest.fixture
def broken(photographs: Path, tmp_path: Path) -> Path:
    """The same folder with every odd file that users have, in the class `ants`: three of them
    cannot be read.
    """
    root = tmp_path / "broken"
    for path in photographs.rglob("*.jpg"):
        target = root / path.relative_to(photographs)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    for part in ("train", "val"):
        folder = root / part / "ants"
        whole = jpeg(painted(180, 120, 7))
        (folder / "a-truncated.jpg").write_bytes(whole[: len(whole) // 2])
        (folder / "b-text.jpg").write_text("this is no image")
        (folder / "c-empty.jpg").write_bytes(b"")
        alpha = painted(90, 80, 1).convert("RGBA")
        alpha.putalpha(128)
        alpha.save(folder / "d-alpha.png")
        painted(90, 80, 2).convert("L").save(folder / "e-grey.jpg")
        painted(90, 80, 3).convert("CMYK").save(folder / "f-cmyk.jpg")
        turned = Image.Exif()
        turned[0x0112] = 6
        (folder / "g-turned.jpg").write_bytes(jpeg(painted(120, 70, 4), exif=turned))
        painted(90, 80, 5).convert("P").save(folder / "h-palette.gif")
        deep = np.linspace(0, 65535, 90 * 80).reshape(80, 90).astype(np.uint16)
        Image.fromarray(deep).save(folder / "i-deep.png")
        (folder / "notes.txt").write_text("no image file")
    return root
