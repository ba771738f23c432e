"""The command line: finds the commands, and answers a mistake with one line."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Any

import click

import iova_variants
from iova_lab import commands, extras
from iova_lab.kernel import KernelError

#: What a user can get wrong, or a variant; everything else is our own mistake and shows itself.
EXPECTED = (
    LookupError,
    ValueError,
    OSError,
    MemoryError,
    iova_variants.VariantError,
    iova_variants.BuildError,
    KernelError,
)


class _Lab(click.Group):
    """A group whose commands answer a mistake with one line and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("iova-lab: interrupted; what was written so far is whole", err=True)
            ctx.exit(130)
        except BrokenPipeError:
            # The reader of our output has gone (`| head`): nothing is wrong, and nobody listens.
            sys.stderr.close()
            ctx.exit(0)
        except ModuleNotFoundError as error:
            needed = extras.hint(error)
            if needed is None:
                raise
            click.echo(f"iova-lab {ctx.invoked_subcommand}: {needed}", err=True)
            ctx.exit(1)
        except EXPECTED as error:
            text = (
                str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
            )
            click.echo(f"iova-lab: {text}", err=True)
            ctx.exit(1)


@click.group(cls=_Lab, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="iova-lab")
def main() -> None:
    """A performance lab for Linux IOVA allocators."""


def _add_commands() -> None:
    """Every `click.Command` in a module of `iova_lab.commands` that is in no group of its own."""
    for module in pkgutil.iter_modules(commands.__path__):
        members = vars(importlib.import_module(f"{commands.__name__}.{module.name}")).values()
        found = [member for member in members if isinstance(member, click.Command)]
        groups = [group for group in found if isinstance(group, click.Group)]
        grouped = {id(command) for group in groups for command in group.commands.values()}
        for command in found:
            if id(command) not in grouped:
                main.add_command(command)


_add_commands()

if __name__ == "__main__":
    main()
