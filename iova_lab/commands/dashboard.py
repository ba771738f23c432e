"""How is the dashboard looked at?"""

from __future__ import annotations

import os
from pathlib import Path

import click

from iova_lab.commands.arguments import PATH


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Default: 8080, or any if taken.")
@click.option("--browser/--no-browser", default=True, help="Open it, if there is a screen.")
@click.option(
    "--html", default=Path("build/html"), type=PATH, help="Folder that `asv publish` wrote."
)
def dashboard(port: int | None, browser: bool, html: Path) -> None:
    """Serve the dashboard to this machine alone, until Ctrl-C.

    No server is needed: index.html of its folder works in a browser as well.

    From Python: iova_lab.rendering.server.

    \b
    Examples:
      iova-lab dashboard
      iova-lab dashboard --port 8080
    """
    from iova_lab.basics.errors import NoResultsError
    from iova_lab.rendering.server import HOST, listen

    if not (html / "info.json").is_file():
        raise NoResultsError(
            f"no dashboard in {html.absolute()}: `make dashboard` in a checkout writes one;"
            " --html FOLDER names another"
        )
    with listen(port, html) as server:
        address = f"http://{HOST}:{server.server_port}/"
        click.echo(f"dashboard: {address} (Ctrl-C ends it)")
        if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            import webbrowser

            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo()
