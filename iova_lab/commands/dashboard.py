"""How is the dashboard looked at?"""

from __future__ import annotations

import functools
import os
import webbrowser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click

HOST, PORT = "127.0.0.1", 8080


class _Handler(SimpleHTTPRequestHandler):
    """Files of one folder; says what it could not serve and nothing else."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def _listen(port: int | None, html: Path) -> ThreadingHTTPServer:
    """A server of ``html`` for this machine alone; without ``port``, `PORT` or any free one."""
    handler = functools.partial(_Handler, directory=str(html))
    try:
        return ThreadingHTTPServer((HOST, PORT if port is None else port), handler)
    except OSError as error:
        if port is None:
            return ThreadingHTTPServer((HOST, 0), handler)
        raise click.ClickException(
            f"port {port}: {error.strerror}; give another, or none for any that is free"
        ) from error


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help=f"Default: {PORT}, or any if taken.")
@click.option("--browser/--no-browser", default=True, help="Open it, if there is a screen.")
@click.option(
    "--html",
    default=Path("build/html"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="What `asv publish` wrote.",
)
def dashboard(port: int | None, browser: bool, html: Path) -> None:
    """Serve the dashboard to this machine alone, until Ctrl-C.

    It also works without: open index.html of its folder in a browser.

    \b
    Examples:
      iova-lab dashboard
      iova-lab dashboard --port 8080
    """
    if not (html / "info.json").is_file():
        raise click.ClickException(f"no dashboard in {html}: `make dashboard` or `asv publish` it")
    with _listen(port, html) as server:
        address = f"http://{HOST}:{server.server_port}/"
        click.echo(f"dashboard: {address} (Ctrl-C ends it)")
        if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo()
