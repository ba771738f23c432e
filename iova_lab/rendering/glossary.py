"""The glossary, to which every page links, and its page in HTML.

A page's Markdown links to docs/glossary.md where the page lies in the checkout.  Its HTML links to
glossary.html in its own folder, so a folder of pages is complete wherever it is put.  An installed
package has no docs/, and its pages no link.
"""

from __future__ import annotations

import os
from pathlib import Path

from iova_lab.basics.repository import ROOT

SOURCE = ROOT / "docs" / "glossary.md"
#: Of the page in HTML.
NAME = "glossary.html"
LABEL = "Glossary"


def footer(folder: Path) -> str:
    """The last line of a page in ``folder``, in Markdown; empty without a glossary."""
    if not SOURCE.exists():
        return ""
    inside = folder.resolve().is_relative_to(ROOT)
    target = os.path.relpath(SOURCE, folder.resolve()) if inside else NAME
    return f"\n[{LABEL}]({target})\n"
