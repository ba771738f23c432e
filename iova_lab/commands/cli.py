"""The command line: finds the commands, and turns an error into one line and an exit status."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from iova_lab import commands
from iova_lab.commands import mistakes

#: A bug of the lab, or of a library under it.  Above 127, so that `git bisect run` stops.
BUG = 170


class _Lab(click.Group):
    """A group that prints one line for a user's error, and a traceback for a bug of its own."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("iova-lab: interrupted; what was written so far is whole", err=True)
            ctx.exit(130)
        except BrokenPipeError:
            # The reader of our output has gone (`| head`): nothing is wrong.
            sys.stderr.close()
            ctx.exit(0)
        except Exception as error:
            if text := mistakes.line(error, ctx.invoked_subcommand):
                click.echo(text, err=True)
                ctx.exit(1)
            traceback.print_exc()
            click.echo(
                "iova-lab: this is a bug of the lab; please report the lines above", err=True
            )
            ctx.exit(BUG)


@click.group(
    cls=_Lab, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(package_name="iova-lab")
def main() -> None:
    """A performance lab for Linux IOVA allocators."""


def _add_commands() -> None:
    """Every `click.Command` in another module of this room that is in no group of its own."""
    for module in pkgutil.iter_modules(commands.__path__):
        if module.name == Path(__file__).stem:
            continue
        members = vars(importlib.import_module(f"{commands.__name__}.{module.name}")).values()
        found = [member for member in members if isinstance(member, click.Command)]
        groups = [group for group in found if isinstance(group, click.Group)]
        grouped = {id(command) for group in groups for command in group.commands.values()}
        for command in found:
            if id(command) not in grouped:
                main.add_command(command)


_add_commands()
