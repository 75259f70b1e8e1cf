"""``twgw completion SHELL``: what makes a shell complete the commands of twgw and their options."""

import click
from click.shell_completion import get_completion_class

EXAMPLES = """\b
Examples:
  eval "$(twgw completion bash)"           in ~/.bashrc
  eval "$(twgw completion zsh)"            in ~/.zshrc, after compinit
  twgw completion fish >~/.config/fish/completions/twgw.fish
"""


@click.command(epilog=EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete the commands of twgw."""
    made = get_completion_class(shell)
    assert made is not None  # click has all three
    click.echo(made(context.find_root().command, {}, "twgw", "_TWGW_COMPLETE").source())
