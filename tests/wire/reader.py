"""Somebody who types what a page says: the fenced blocks of the README and of the pages in docs/ run as they stand.

    ```console      `$ ` begins a command; the lines below are parts of its output, in that order.
                    A gateway is left running until the next one starts, and what ends with ` &` until the end.
    ```gateway      parts of lines that the running gateway prints, in that order; waited for.
    ```python PATH  the text of a file; so is ```toml PATH.

Three things are changed: the ports 8080 to 8082 and 9443 become free ones and what is printed names them as the page
does, `make run` becomes the program that it starts, and `tw_live_...` the key that was printed, or what else ``SHOWN``
finds.
"""

import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

from tests.wire.processes import PATIENCE, PLAIN, TWISTD, free_port

BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RUN = "twistd -n --pidfile= twgw"
SHOWN = {
    **{f"{begin}...": rf"({begin}\w+)" for begin in ("tw_live_", "tw_cs_", "tw_at_")},
    "...": r"client_id: (\S+)",
}
"""What a newcomer copies of what was just printed, by how the page calls it."""


class Reader:
    """Somebody who types what the README says."""

    def __init__(self, folder, start, ports=None):
        self.folder, self._start = folder, start
        self.ports = {port: free_port() for port in ("8080", "8081", "8082", "9443")} | (ports or {})
        self.listen = {
            "TWGW_GATEWAY_LISTEN": f"tcp:{self.ports['8080']}:interface=127.0.0.1",
            "TWGW_ADMIN_LISTEN": f"tcp:{self.ports['8081']}:interface=127.0.0.1",
            "TWGW_CONTROL_LISTEN": f"tcp:{self.ports['8082']}:interface=127.0.0.1",
        }
        path = f"{Path(TWISTD).parent}{os.pathsep}{PLAIN['PATH']}"
        self.environment = {**PLAIN, **self.listen, "PATH": path, "XDG_CONFIG_HOME": str(folder / "config")}
        self.gateway, self.heard, self.copied, self._beside = None, 0, {}, []

    def follow(self, page):
        """Do what stands in the blocks of a page, in order; how many there were."""
        acts = {"console": self.console, "gateway": self.hear}
        done = 0
        for language, name, text in BLOCK.findall(page.read_text()):
            if language in ("python", "toml") and name:
                self.save(name, text)
            elif language in acts:
                acts[language](text)
            else:
                continue
            done += 1
        return done

    def console(self, text):
        """Type the commands, and compare what they print."""
        for piece in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, shown = piece.partition("\n")
            command = command.partition("     #")[0].rstrip().replace("make run", RUN)
            output = self._type(command)
            for _ in range(PATIENCE * 10):  # lines of a log are there within a fifth of a second
                if "access.log" not in command or not missing_in(output, shown.splitlines()):
                    break
                threading.Event().wait(0.1)
                output = self._type(command)
            assert not (missing := missing_in(output, shown.splitlines())), f"{command}\nlacks {missing!r}:\n{output}"

    def _type(self, command):
        for port, free in self.ports.items():
            command = re.sub(rf"(?<=[: ]){port}\b", str(free), command)
        if command.endswith(" &"):
            self._begin(command.removesuffix(" &"))
            return ""
        if command.startswith(RUN):
            self._serve(command.removeprefix(RUN).split())
            return ""
        if assigned := re.fullmatch(r"export (\w+)=(.*)", command):
            name, value = assigned.groups()
            if name != "PATH":  # the programs are those of this environment
                self.environment[name] = self.copied.get(value, value)
            return ""
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, text=True, timeout=4 * PATIENCE,
            check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for name, pattern in SHOWN.items():
            if found := re.search(pattern, done.stdout):
                self.copied[name] = found[1]
        output = done.stdout
        for port, free in self.ports.items():
            output = output.replace(f":{free}", f":{port}")
        return output

    def _begin(self, command):
        """Start what runs beside the gateway, and wait until it listens where it says."""
        self._beside.append(subprocess.Popen(["bash", "-c", f"{command.replace('&& ', '&& exec ')}"], cwd=self.folder))
        (port,) = re.findall(r" -accept (\d+) ", command)
        for _ in range(PATIENCE * 20):
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", int(port))) == 0:
                    return
            threading.Event().wait(0.05)
        raise AssertionError(f"nobody listens on {port}: {command}")

    def leave(self):
        """End what runs beside the gateway."""
        for process in self._beside:
            process.kill()
            process.wait(PATIENCE)

    def _serve(self, arguments):
        if self.gateway:
            self.gateway.signal(signal.SIGINT)
            assert 0 == self.gateway.end()
        self.gateway, self.heard = self._start(*arguments, environment=self.listen), 0

    def hear(self, text):
        """Wait for what the gateway prints, each after the one before."""
        for part in text.splitlines():
            times = sum(part in line for line in self.gateway.lines[: self.heard]) + 1
            self.gateway.wait_for(part, times)
            self.heard = [n for n, line in enumerate(self.gateway.lines, 1) if part in line][times - 1]

    def stop(self):
        """End the last gateway; its exit status."""
        self.gateway.signal(signal.SIGTERM)
        return self.gateway.end()

    def save(self, name, text):
        """Save a file."""
        for port, free in self.ports.items():
            text = text.replace(f":{port}", f":{free}")
        (self.folder / name).write_text(text)


def missing_in(output, parts):
    """The first part that does not stand in the output behind the one before it; None when all do."""
    place = 0
    for part in parts:
        found = output.find(part.strip(), place)
        if found < 0:
            return part
        place = found + len(part.strip())
    return None
