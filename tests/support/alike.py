"""Are two sets of pages alike?  Texts to the letter, figures by what they draw.

matplotlib names clip paths after a hash of floats, and a rasteriser rounds as its CPU does, so two
machines make different bytes from the same results.  Compared are: texts; every element, word and
coordinate of an SVG (names of clip paths and markers apart); the size and the pixels of a PNG.
"""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
from PIL import Image

#: Coordinates that differ by less draw the same picture: a hundredth of a point.
SAME_POINT = 0.01
#: Tones (0 to 255) by which a pixel may differ: another rasteriser, another palette.
SAME_TONE = 64
#: Share of the pixels that may differ by more: a few at the edges of letters.
FEW_PIXELS = 1e-4
#: From one CPU to another a marker or a dash may lie a pixel further.
NEARBY = 1

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
#: What matplotlib names after a hash: a letter and ten digits.
HASHED = re.compile(r"\b[a-z][0-9a-f]{10}\b")
#: The numbers of these attributes are coordinates; everything else is words.
DRAWN = {"d", "transform", "x", "y", "width", "height", "points", "viewBox"}
#: A page in the checkout links to docs/glossary.md, one elsewhere to the page beside it.
GLOSSARY = re.compile(r"\]\((?:[./]*docs/glossary\.md|glossary\.html)\)")
#: A page holds its figures as SVG elements or encoded.
INLINE_SVG = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
INLINE_IMAGE = re.compile(r"(data:image/[a-z+]+;base64),[^\"']*")


def drawn(svg: str) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Return what an SVG says and where: its elements and words in order, and all coordinates."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    words: list[str] = []
    numbers: list[float] = []
    for element in ET.fromstring(svg, parser).iter():
        words.append(str(element.tag))
        words.append((element.text or "").strip())
        for name, value in sorted(element.attrib.items()):
            if name in DRAWN:
                numbers += map(float, NUMBER.findall(value))
                value = NUMBER.sub("#", value)
            words.append(f"{name}={HASHED.sub('hash', value)}")
    return words, np.array(numbers)


def _assert_same_text(made: str, kept: str, name: str) -> None:
    """Compare line by line: the message is the first line that differs, not two whole files."""
    lines = itertools.zip_longest(made.splitlines(), kept.splitlines())
    for number, (one, other) in enumerate(lines, start=1):
        assert one == other, f"{name}:{number}"


def assert_same_drawing(made: str, kept: str, name: str) -> None:
    """Fail unless two SVG files draw the same elements, with the same words, at the same points."""
    words, numbers = drawn(made)
    kept_words, kept_numbers = drawn(kept)
    _assert_same_text("\n".join(words), "\n".join(kept_words), name)
    assert numbers.shape == kept_numbers.shape, name
    np.testing.assert_allclose(numbers, kept_numbers, rtol=0, atol=SAME_POINT, err_msg=name)


def assert_same_picture(made: bytes, kept: bytes, name: str) -> None:
    """Fail unless two PNG files have the same size and, but for rounding, the same pixels."""
    one, other = (
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int16) for data in (made, kept)
    )
    assert one.shape == other.shape, name
    assert max(_strange(one, other).mean(), _strange(other, one).mean()) < FEW_PIXELS, name


def _strange(one: npt.NDArray[np.int16], other: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """Pixels whose tone the other picture has nowhere near."""
    near = sorted(range(-NEARBY, NEARBY + 1), key=abs)
    strange = np.ones(one.shape[:2], bool)
    for down, right in itertools.product(near, near):
        if not strange.any():
            break
        moved = np.roll(other, (down, right), axis=(0, 1))
        strange &= (np.abs(one - moved) > SAME_TONE).any(axis=2)
    return strange


def _assert_same_page(made: str, kept: str, name: str) -> None:
    figures = [INLINE_SVG.findall(page) for page in (made, kept)]
    for one, other in itertools.zip_longest(*figures, fillvalue="<svg/>"):
        assert_same_drawing(_closed(one), _closed(other), name)
    one, other = (INLINE_IMAGE.sub(r"\1", INLINE_SVG.sub("<svg/>", page)) for page in (made, kept))
    _assert_same_text(one, other, name)


def _closed(svg: str) -> str:
    """An SVG element inside a page may leave the namespace of its links to the page."""
    return svg if "xmlns:xlink" in svg else svg.replace("xlink:", "")


def assert_alike(made: Path, kept: Path) -> None:
    """Fail unless these two files, of one kind, say and draw the same."""
    name = kept.name
    if kept.suffix == ".png":
        assert_same_picture(made.read_bytes(), kept.read_bytes(), name)
        return
    one, other = (
        GLOSSARY.sub("](glossary)", file.read_text(encoding="utf-8")) for file in (made, kept)
    )
    compare = {".svg": assert_same_drawing, ".html": _assert_same_page}
    compare.get(kept.suffix, _assert_same_text)(one, other, name)


def files(folder: Path) -> set[Path]:
    """Return the names of all files below a folder."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def assert_folders_alike(made: Path, kept: Path) -> None:
    """Fail unless two folders hold the same files, and each says and draws the same."""
    assert files(made) == files(kept)
    for name in sorted(files(kept)):
        assert_alike(made / name, kept / name)
