"""The lock that simulated CPUs queue for.

It is first come, first served, and a hold is known when it is requested, so the moment when it ends
is known too: ``max(now, free) + hold``.  That is one event per acquisition.
"""

from __future__ import annotations

import math
from typing import Any

import simpy

from iova_lab.measuring.cells import HARD_LOCKUP_S


class FairLock:
    """First come, first served; counts what it makes its callers wait."""

    def __init__(self, env: simpy.Environment, handoff_ns: float = 0.0) -> None:
        self.env = env
        self.handoff_ns = handoff_ns
        self.free_at = 0.0
        self.last: object = None
        self.waits: list[float] = []
        self.busy_ns = self.hold_ns = self.section_ns = 0.0
        self.nr_queued = 0
        self.max_hold = self.max_section = 0.0
        self.hard_ns, self.hard_at = HARD_LOCKUP_S * 1e9, math.inf
        self.most, self.enough = 0, env.event()
        self.stops_at_hard = False

    def stop(self) -> None:
        """End the simulation."""
        if not self.enough.triggered:
            self.enough.succeed()

    def take(self, who: object, hold: float, remote: float = 0.0) -> Any:
        """Queue, hold, release; returns the event that it is done."""
        now = self.env.now
        if self.last is not who:
            hold += remote
            self.last = who
        start = now
        if self.free_at > now:
            start = self.free_at + self.handoff_ns
            self.nr_queued += 1
            self.busy_ns += self.handoff_ns
        self.free_at = done = start + hold
        section = done - now
        self.waits.append(start - now)
        if len(self.waits) == self.most:
            self.stop()
        self.busy_ns += hold
        self.hold_ns += hold
        self.section_ns += section
        self.max_hold = max(self.max_hold, hold)
        if section > self.max_section:
            self.max_section = section
            if section >= self.hard_ns:
                self.hard_at = min(self.hard_at, now + self.hard_ns)
                if self.stops_at_hard:
                    self.stop()
        return self.env.timeout(section)
