"""How are numbers of live ranges that span four decades put on one axis of asv's dashboard?

An asv plugin.  asv has no logarithmic x axis: all sizes but the greatest would share its left edge.
So its page, and nothing that is stored, gets the logarithms, under a name that says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from asv.publishing import OutputPublisher

SIZE, LOG_SIZE = "nr_live", "log10(nr_live)"


class LogSizes(OutputPublisher):  # type: ignore[misc]
    """Called by asv in `asv publish`, before it writes the page's list of parameters."""

    @classmethod
    def publish(cls, conf: object, repo: object, benchmarks: Mapping[str, Any], *_: object) -> None:
        for benchmark in benchmarks.values():
            names, params = benchmark["param_names"], benchmark["params"]
            if SIZE in names:
                index = names.index(SIZE)
                names[index] = LOG_SIZE
                params[index] = [f"{math.log10(int(size)):.4g}" for size in params[index]]
