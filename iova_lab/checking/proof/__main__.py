"""``make proof``: print what is proved of the candidate's C; status 1 if something is not."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from iova_lab.basics.errors import IovaLabError
from iova_lab.basics.extras import hint


@click.command()
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the candidate's headers; those of the lab if not given.",
)
def main(source: Path | None) -> None:
    """Prove that aligned_room() is exact and that the nodes in stock are enough."""
    try:
        from iova_lab.checking.proof.run import answers
    except ModuleNotFoundError as error:
        raise click.ClickException(hint(error) or str(error)) from error
    begin, cpu, failed, done = time.monotonic(), 0.0, 0, 0
    try:
        for each in answers(source, len(os.sched_getaffinity(0))):
            click.echo(each.text())
            failed += not each.holds
            done += 1
            cpu += each.seconds
    except IovaLabError as error:
        raise click.ClickException(str(error)) from error
    passed = time.monotonic() - begin
    click.echo(f"{done - failed} of {done} statements hold; {passed:.0f} s, {cpu:.0f} s of CPU")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
