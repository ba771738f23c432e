"""Does the comparison of pages see what a reader would, and nothing else?"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from iova_lab.rendering.saving import save
from tests.support.alike import (
    assert_alike,
    assert_folders_alike,
    assert_same_drawing,
    assert_same_picture,
)


def saved(path: Path, last: float = 3.0, label: str = "mainline") -> tuple[Path, Path]:
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([1, 2, 3], [1, 2, last], marker="o", label=label)
    axes.legend()
    svg, png = save(figure, path)
    return svg, png


def test_the_same_data_is_alike_whatever_a_hash_made_of_it(tmp_path: Path) -> None:
    svg, _ = saved(tmp_path / "a")
    text = svg.read_text()
    name = text.split("url(#")[1].split(")")[0]
    assert len(name) == 11
    assert_same_drawing(text.replace(name, "p0123456789"), text, "a")


@pytest.mark.parametrize("change", [{"last": 3.1}, {"label": "mainlime"}], ids=str)
def test_another_value_or_word_is_seen(tmp_path: Path, change: dict[str, float]) -> None:
    kept, made = saved(tmp_path / "a"), saved(tmp_path / "b", **change)  # type: ignore[arg-type]
    for one, other in zip(made, kept, strict=True):
        with pytest.raises(AssertionError):
            assert_alike(one, other)


def test_a_pixel_off_by_one_is_alike_and_a_mark_is_not(tmp_path: Path) -> None:
    _, png = saved(tmp_path / "a")
    pixels = np.asarray(Image.open(png).convert("RGB")).copy()

    def encoded() -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "png")
        return file.getvalue()

    pixels[3, 3] -= 1
    assert_same_picture(encoded(), png.read_bytes(), "a")
    pixels[20:26, 20:26] = 0
    with pytest.raises(AssertionError):
        assert_same_picture(encoded(), png.read_bytes(), "a")


def test_a_page_is_its_text_and_its_figures(tmp_path: Path) -> None:
    svg, _ = saved(tmp_path / "a")
    element = "<svg" + svg.read_text().partition("<svg")[2]
    page = f'<p>19 nodes</p>{element}<img src="data:image/png;base64,AAAA"/>'
    kept, made = tmp_path / "kept.html", tmp_path / "made.html"
    kept.write_text(page)
    made.write_text(page.replace("AAAA", "BBBB"))
    assert_alike(made, kept)
    for changed in (page.replace("19", "18"), page.replace(element, ""), page + element):
        made.write_text(changed)
        with pytest.raises(AssertionError):
            assert_alike(made, kept)


def test_a_file_too_many_is_seen(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.md").write_text("1\n")
    assert_folders_alike(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a" / "y.md").write_text("")
    with pytest.raises(AssertionError):
        assert_folders_alike(tmp_path / "a", tmp_path / "b")
