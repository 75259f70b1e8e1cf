"""``twgw key …``: API keys for applications."""

from pathlib import Path

import click

from twgw.cli_config import config_option, configured, failure, nearby, node_pepper, pepper_file
from twgw.credentials import digest, mint
from twgw.faults import InvalidFileError, suggest
from twgw.state import load_state

NEW_EXAMPLES = """\b
Examples:
  twgw key new                                      under the pepper in ./twgw-data
  twgw key new --config etc/twgw.toml               under the pepper of that node
  twgw key new -c etc/twgw.toml --application batch
"""


@click.group()
def key() -> None:
    """Make API keys."""


@key.command(epilog=NEW_EXAMPLES)
@config_option
@click.option("--application", metavar="NAME", help="Say where in the state the line belongs: under this application.")
@click.option("--env", "environment", default="live", show_default=True, metavar="WORD", help="Stands in the key.")
def new(file: Path | None, application: str | None, environment: str) -> None:
    """Print a new API key, once, and the line that makes it known to the gateway.

    The line holds a digest, not the key: HMAC-SHA-256 under the pepper of the node, a file in its data directory.
    It goes under credentials of an application in apis.yaml.  Nodes that share the file share the pepper.
    """
    config = configured(file)
    try:
        secret = mint(environment)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--env") from error
    place = f"credentials of {application}" if application else "credentials of an application"
    if application:
        _find(application, config.state_file)
    pepper = node_pepper(config)
    where = "the configuration" if config.node.pepper else nearby(str(pepper_file(config)))
    click.echo("The key, shown this once:\n")
    click.echo(f"  {secret}\n")
    click.echo(f"Put this line under {place} in {nearby(str(config.state_file))}:\n")
    click.echo(f'  - {{kind: api-key, digest: "{digest(pepper, secret)}"}}\n')
    click.echo(f"The digest is made with the pepper in {where}: it is good for nodes that have the same one.")


def _find(application: str, path: Path) -> None:
    """Make sure that a key is not made for a name that was mistyped."""
    try:
        names = [one.name for one in load_state(path).state.applications]
    except InvalidFileError as error:
        raise failure(error.lines) from error
    if application not in names:
        raise failure([f"{path}: there is no application {application}{suggest(application, names)}"])
