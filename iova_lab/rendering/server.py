"""Serve a folder of HTML to this machine alone."""

from __future__ import annotations

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from iova_lab.basics.errors import IovaLabError

HOST, PORT = "127.0.0.1", 8080


class _Handler(SimpleHTTPRequestHandler):
    """Files of one folder; logs errors and nothing else."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def listen(port: int | None, html: Path) -> ThreadingHTTPServer:
    """Return a server of ``html``; without ``port``, on `PORT` or any free one.

    Raises `IovaLabError` if ``port`` can't be had.
    """
    handler = functools.partial(_Handler, directory=str(html))
    try:
        return ThreadingHTTPServer((HOST, PORT if port is None else port), handler)
    except OSError as error:
        if port is None:
            return ThreadingHTTPServer((HOST, 0), handler)
        raise IovaLabError(
            f"port {port}: {error.strerror}; give another, or none for any that is free"
        ) from None
