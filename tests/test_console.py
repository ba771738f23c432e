"""Does a file or a pipe learn how far long work has come?"""

from __future__ import annotations

import pytest

from iova_lab.rendering import console


@pytest.mark.parametrize(("every", "nr_lines"), [(0.0, 4), (60.0, 0)])
def test_a_pipe_gets_a_line_now_and_then(
    every: float, nr_lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "EVERY_S", every)
    with console.progress() as bar:
        task = bar.add_task("boots", total=4)
        bar.advance(task)
        bar.update(task, advance=1, description="mainline")
        bar.advance(task, 2)
        bar.update(task, description="all")
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == nr_lines
    words = ["boots: 25 %", "mainline: 50 %", "mainline: 100 %", "all: 100 %"]
    assert all(line.startswith(word) for line, word in zip(lines, words, strict=False))


def test_a_pipe_gets_lines_of_what_is_tracked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "EVERY_S", 0.0)
    with console.progress() as bar:
        assert list(bar.track(iter("ab"), total=2, description="count")) == ["a", "b"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["count: 50 %", "count: 100 %"]
