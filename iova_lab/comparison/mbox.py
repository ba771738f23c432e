"""The mail text of a comparison as a message that `git send-email` sends: text, then figures.

The message has no sender and no recipient; git adds both.  The kernel's lists reject what is
larger than 100,000 bytes, so as many figures are attached as have room, the one of all ratios
first; the end of the text names those that are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from iova_lab.comparison import notes
from iova_lab.comparison.mail import ascii_only
from iova_lab.comparison.result import Comparison
from iova_lab.rendering.plain_text import fill

#: What the kernel's lists take.
MOST_BYTES = 100_000
#: Of the headers of a part.
HEADERS = 400
SUBJECT = 68


def render(result: Comparison, text: str, figures: Sequence[Path]) -> bytes:
    """One message of an mbox: ``text``, and of ``figures`` (PNG) as many as have room."""
    message = EmailMessage()
    message["Subject"] = _subject(result)
    message["Date"] = _date(result)
    message["MIME-Version"] = "1.0"
    attached, left_out = _chosen(figures, MOST_BYTES - len(text) - 10 * HEADERS)
    if left_out:
        text += "\n" + fill(f"Too large for this mail: {', '.join(left_out)}.") + "\n"
    message.set_content(text, charset="us-ascii", cte="7bit")
    for path in attached:
        message.add_attachment(
            path.read_bytes(), maintype="image", subtype="png", filename=path.name
        )
    if attached:
        message.set_boundary(f"iova-lab-{hashlib.sha256(text.encode()).hexdigest()[:24]}")
    return _FROM + message.as_bytes(policy=message.policy.clone(mangle_from_=True)) + b"\n"


#: How git begins a mail of an mbox; the id is of no commit.
_FROM = b"From " + b"0" * 40 + b" Mon Sep 17 00:00:00 2001\n"


def _subject(result: Comparison) -> str:
    text = f"[iova-lab] {ascii_only(notes.title(result))}"
    return text if len(text) <= SUBJECT else f"{text[: SUBJECT - 4]} ..."


def _date(result: Comparison) -> datetime:
    """When it was measured; the same results give the same message."""
    try:
        return datetime.fromisoformat(result.date)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def _chosen(figures: Sequence[Path], room: int) -> tuple[list[Path], list[str]]:
    """Figures that have room, in their order, and the names of the others."""
    attached, left_out = [], []
    for path in figures:
        size = path.stat().st_size * 4 // 3 * 78 // 76 + HEADERS  # as base64, in lines
        if size <= room:
            attached.append(path)
            room -= size
        else:
            left_out.append(path.name)
    return attached, left_out
