"""What pytest and Hypothesis need to know before any test is read."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

CALM = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "quick", max_examples=30, deadline=None, derandomize=True, suppress_health_check=CALM
)
settings.register_profile("few", settings.get_profile("quick"), max_examples=5)
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=CALM)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and collect no garbage while 11,000 tests are collected."""
    gc.disable()
    config.addinivalue_line(
        "markers", "slow: takes half a second or more, `make check` leaves it out"
    )
    config.addinivalue_line("markers", "sanitize: also run with the sanitizer build")
    config.addinivalue_line("markers", "long: takes long, `make test` leaves it out as well")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that all workers end at about the same time."""
    items.sort(
        key=lambda item: (
            item.get_closest_marker("slow") is None,
            item.path.name != "test_sanitized.py",  # a minute each
        )
    )
    # They stay until the end: without this each full collection walks all of them, an eighth of
    # the time of `make check`.
    gc.freeze()
    gc.enable()
