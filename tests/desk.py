"""Somebody at a terminal: the commands of twgw, with the admin REST of a node to ask over a real socket."""

import json
import threading

from click.testing import CliRunner
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.rest import World
from twgw.cli import main


class _Quiet(WSGIRequestHandler):
    def log(self, *_):
        """Say nothing of what is served."""


class Desk:
    """Commands that ask one node, in a folder of their own; ``who`` of World.user asks."""

    def __init__(self, world, folder):
        self.world, self.folder = world, folder
        self._server = make_server("127.0.0.1", 0, world.app, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def run(self, *words, who="root", typed=None, **environment):
        """What a command did."""
        token = {"TWGW_TOKEN": self.world.tokens[who]} if who else {}
        known = {"TWGW_URL": self.url, "XDG_CONFIG_HOME": str(self.folder / "config")}
        return CliRunner().invoke(main, words, input=typed, env=known | token | environment)

    def done(self, *words, **options):
        """What a command printed that ended well."""
        found = self.run(*words, **options)
        assert 0 == found.exit_code, found.output
        return found.output

    def refused(self, *words, **options):
        """What a command said that could not do it."""
        found = self.run(*words, **options)
        assert 1 == found.exit_code, found.output
        assert isinstance(found.exception, SystemExit)
        return found.output

    def found(self, *words, **options):
        """What a command says to programs."""
        return json.loads(self.done(*words, "--json", **options))

    def close(self):
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()


def make(database, folder):
    """A desk with the tiers Bronze and Gold."""
    world = World(database)
    for name in ("Bronze", "Gold"):
        world.post("/tiers", {"name": name, "limits": [{"amount": 10}]})
    return Desk(world, folder)
