"""A network of namespaces: each member of a cluster has one of its own, as if it were a machine, wired to a bridge.

What is cut here is lost: nftables drops packets where they arrive, and TCP sends them again, ever more seldom, or
gives up.  Each rule counts what it drops, so that a fault that nobody noticed is not counted as one.  Only root may do
that (``missing`` says what is in the way); elsewhere ``links.py`` does what it can.

Everything is named by the process that made it, and goes when it ends; what one left that was killed, the next one
takes away.
"""

import atexit
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.chaos.links import BACK, THERE, WAYS

PREFIX = "twgw-chaos"
MEMBERS = ("database", "standby", "memcached", "a", "b", "g")
NETS = 512
"""Networks in 198.18.0.0/15, which is for tests and nobody's."""
LOST = 30
"""Percent of the packets that a bad line loses, each way."""
RULES = f"""
table ip chaos {{
    set cut {{ type ipv4_addr; counter; }}
    set lossy {{ type ipv4_addr; counter; }}
    chain arriving {{
        type filter hook input priority 0;
        ip saddr @cut drop
        numgen random mod 100 < {LOST} ip saddr @lossy drop
    }}
}}
"""


def run(*words, text=None):
    """What a program prints; raises CalledProcessError where it fails."""
    return subprocess.run(words, input=text, capture_output=True, text=True, check=True).stdout


def missing():
    """Why there can be no namespaces here; empty when there can."""
    return forbidden() or lacking()


def lacking():
    """Which program for it is not there; empty when all are."""
    names = [name for name in ("ip", "nft", "nsenter") if shutil.which(name) is None]
    return f"{names[0]} is missing: make .venv/developed installs it" if names else ""


def forbidden():
    """Why nobody may make them here; empty where one may, and where it cannot be tried as a program is missing."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    if lacking():
        return ""
    try:
        Namespaces(("a", "b")).close()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"{error} {getattr(error, 'stderr', '')}".strip()
    return ""


class Link:
    """What goes on between two members, ``one`` of which asks the ``other`` at a port."""

    def __init__(self, network, name, port):
        self.name, self.address = name, f"{network.host(name.partition('-')[2])}:{port}"
        self.held = 0
        """How many packets were dropped, once it is healed."""
        one, _, other = name.partition("-")
        self._network = network
        self._arrives = {THERE: (other, one), BACK: (one, other)}
        self._wrong = []

    def cut(self, *ways):
        """Let nothing arrive, one way or both."""
        for way in ways or WAYS:
            self._begin("cut", *self._arrives[way])

    def lose(self):
        """Let some packets be lost, both ways."""
        for ends in self._arrives.values():
            self._begin("lossy", *ends)

    def _begin(self, how, at, sender):
        self._network.nft(at, f"add element ip chaos {how} {{ {self._network.host(sender)} }}")
        self._wrong.append((how, at, sender))

    def heal(self):
        """Let everything through, and count what was not."""
        while self._wrong:
            how, at, sender = self._wrong.pop()
            element = f"element ip chaos {how} {{ {self._network.host(sender)} }}"
            self.held += int(re.search(r"counter packets (\d+)", self._network.nft(at, f"get {element}"))[1])
            self._network.nft(at, f"delete {element}")


class Namespaces:
    """All of them, and a bridge between, to which this process is wired, too."""

    lacks = frozenset({"delay"})
    """Faults that it cannot bring about: packets are late when those before them are lost."""

    def __init__(self, members=MEMBERS):
        sweep()
        self.links = {}
        self._prefix = f"{PREFIX}-{os.getpid()}"
        self._hosts = {name: self._address(place) for place, name in enumerate(members, 2)}
        atexit.register(self.close)
        try:
            self._wire()
        except BaseException:
            self.close()
            raise

    def _address(self, place):
        number = os.getpid() % NETS
        return f"198.{18 + number // 256}.{number % 256}.{place}"

    def _wire(self):
        hub = self._name("hub")
        run("ip", "netns", "add", hub)
        run("ip", "-n", hub, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", hub, "link", "set", "bridge", "up")
        run("ip", "link", "add", self._own, "type", "veth", "peer", "name", "driver", "netns", hub)
        run("ip", "-n", hub, "link", "set", "driver", "master", "bridge", "up")
        run("ip", "address", "add", f"{self._address(1)}/24", "dev", self._own)
        run("ip", "link", "set", self._own, "up")
        for name, host in self._hosts.items():
            place = self._name(name)
            run("ip", "netns", "add", place)
            run("ip", "-n", hub, "link", "add", "name", name, "type", "veth", "peer", "name", "eth0", "netns", place)
            run("ip", "-n", hub, "link", "set", "dev", name, "master", "bridge", "up")
            run("ip", "-n", place, "address", "add", f"{host}/24", "dev", "eth0")
            run("ip", "-n", place, "link", "set", "eth0", "up")
            run("ip", "-n", place, "link", "set", "lo", "up")
            self.nft(name, RULES)

    @property
    def _own(self):
        return f"twgw{os.getpid()}"

    def _name(self, member):
        return f"{self._prefix}-{member}"

    def host(self, member):
        """The address of a member, for others and for this process."""
        return self._hosts[member]

    def within(self, member):
        """What stands before a command, so that its process belongs to a member."""
        return ("nsenter", f"--net=/run/netns/{self._name(member)}")

    def nft(self, member, text):
        """Change rules of a member, or ask for them."""
        return run(*self.within(member), "nft", "-f", "-", text=text)

    def link(self, name, port, _path=None):
        """What goes on between two members that a name names: ``a-database``."""
        self.links[name] = Link(self, name, port)
        return self.links[name]

    def unplug(self, member):
        """Pull the plug of a member: it reaches nobody, nobody reaches it, and nobody is told."""
        run("ip", "-n", self._name("hub"), "link", "set", "dev", member, "down")

    def plug_in(self, member):
        """Put it back."""
        run("ip", "-n", self._name("hub"), "link", "set", "dev", member, "up")

    def close(self):
        """Take everything away, and whoever is still in there."""
        atexit.unregister(self.close)
        remove(self._prefix)
        with suppress(subprocess.CalledProcessError):
            run("ip", "link", "delete", self._own)


def remove(prefix):
    """The namespaces whose name begins so, and what is wired to them; their processes are killed."""
    for name in made():
        if name.startswith(f"{prefix}-"):
            for process in run("ip", "netns", "pids", name).split():
                with suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            run("ip", "netns", "delete", name)


def sweep():
    """Take away what processes left that were killed."""
    for prefix in {name.rpartition("-")[0] for name in made()}:
        if not Path(f"/proc/{prefix.rpartition('-')[2]}").exists():
            remove(prefix)


def made():
    """The names of all namespaces that are ours."""
    return [
        line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.startswith(f"{PREFIX}-")
    ]  # fmt: skip
