"""How does a shell complete commands, variants and workloads?"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script with which SHELL completes iova-lab's commands, options and names.

    \b
    Examples:
      eval "$(iova-lab completion bash)"            # this shell; in ~/.bashrc, every one
      eval "$(iova-lab completion zsh)"
      iova-lab completion fish > ~/.config/fish/completions/iova-lab.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "iova-lab", "_IOVA_LAB_COMPLETE").source())
