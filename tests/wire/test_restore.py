"""Backup and restore, by the commands of docs/operating.md: what was there at the dump is there again, and no more."""

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import inspect

from tests.wire.processes import Node, Upstream
from tests.wire.test_admin import Registry, an_api
from twgw.storage.database import Database

ROOT = Path(__file__).parents[2]
KINDS = ("sqlite", "postgresql", "mariadb")


def told(kind):
    """The commands of the page for a database: how it is dumped, wiped and restored."""
    page = (ROOT / "docs/operating.md").read_text()
    section = page.partition("## Backup and restore\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    (lines,) = [block.splitlines() for block in blocks if block.startswith(f"# {kind}:")]
    return {line.partition("# ")[2].partition(":")[0].split()[-1]: line.partition("  #")[0] for line in lines[1:]}


class Place(Registry):
    """A node on a database that can be dumped, wiped and restored; and what the page calls things."""

    def __init__(self, folder, start, kind, servers):
        self.kind, self.words = kind, told(kind)
        if kind == "sqlite":
            self.url, names = "", {"twgw-data": f"{folder}/data", "twgw": f"{Path(sys.executable).with_name('twgw')}"}
            sections = {}
        else:
            servers(kind)
            self.url = servers.running[kind].make("shop")
            parts = urlsplit(self.url)
            where = {name: values[0] for name, values in parse_qs(parts.query).items()}
            reach = f"-h {where['host']} -U postgres" if kind == "postgresql" else f"-S {where['unix_socket']} -u root"
            names = {"-h db.example.com -U twgw": reach, "-h db.example.com -u twgw -p": reach}
            sections = {"database": {"url": self.url}}
        self.names = {**names, "/srv/backup": str(folder)}
        self.node = Node(folder, start, None, **sections).ready()
        self.secret = folder / "data" / "admin.secret"
        self.token = self.secret.read_text().strip()

    def do(self, what):
        """Run the command that the page names for this, with the names of this place."""
        line = self.words[what]
        for name, own in self.names.items():
            line = re.sub(rf"(?<![\w/.-]){re.escape(name)}(?![\w-])", lambda _, own=own: own, line)
        assert not re.search(r"example|twgw-data", line), f"the page names what this test does not know: {line}"
        done = subprocess.run(
            ["/bin/sh", "-euc", line], cwd=self.node.folder, capture_output=True, text=True, check=False,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                 "TWGW_CONFIG": str(self.node.folder / "twgw.toml"), "HOME": str(self.node.folder)},
        )  # fmt: skip
        assert 0 == done.returncode, f"{shlex.quote(line)}: {done.stdout}{done.stderr}"

    def stop(self):
        """SIGTERM, to the end."""
        self.node.process.signal(signal.SIGTERM)
        assert 0 == self.node.process.end()

    def start(self, start):
        """The same node again."""
        self.node.process = start("--config", str(self.node.folder / "twgw.toml"))
        self.node.ready()

    def key(self):
        """A new key of the application."""
        return self.ask("POST", "/applications/me/keys", {}, status=201)["key"]

    def is_empty(self):
        """Whether there are no tables, or no file."""
        if self.kind == "sqlite":
            return not list(self.node.folder.glob("data/twgw.db*"))
        database = Database(self.url)
        try:
            return [] == database.call(lambda connection: inspect(connection).get_table_names())
        finally:
            database.close()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_dumped_is_there_again(tmp_path, start, servers, kind):
    """Keys work again, revoked ones do not; what came later is gone; and the admin and the audit are as they were."""
    place = Place(tmp_path, start, kind, servers)
    upstream = Upstream()
    place.ask("POST", "/apis", {"api": {**an_api(upstream.port), "tiers": []}}, status=201)
    place.ask("POST", "/apis/hello/moves", {"move": "publish"}, status=200)
    place.ask("POST", "/applications", {"name": "me", "subscribe": ["hello"]}, status=201)
    kept, revoked = place.key(), place.key()
    place.ask("POST", "/revocations", {"key": revoked}, status=200)

    place.do("dump")
    late = place.key()
    place.ask("POST", "/revocations", {"key": kept}, status=200)
    assert [401, 401, 200] == [place.call("/hello", key) for key in (kept, revoked, late)]

    place.stop()
    place.do("wipe")
    assert place.is_empty()
    place.do("restore")
    place.start(start)

    assert [200, 401, 401] == [place.call("/hello", key) for key in (kept, revoked, late)]
    place.ask("POST", "/revocations", {"key": kept}, status=200)
    assert 401 == place.call("/hello", kept)
    assert 200 == place.call("/hello", place.key())
    place.ask("GET", "/audit/verification", status=200)
    place.stop()
    upstream.close()
