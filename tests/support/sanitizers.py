"""What a process needs in which the sanitized build runs."""

from __future__ import annotations

import subprocess

from iova_variants import building


def sanitizer_environment() -> dict[str, str]:
    """Put the sanitizer before everything; and what C++ throws with, or it won't find that."""
    libraries = [
        subprocess.check_output(
            [building.compiler(), f"-print-file-name={name}"], text=True
        ).strip()
        for name in ("libasan.so", "libstdc++.so.6")
    ]
    return {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
