"""Somebody who types what a page says: the fenced blocks of the README and of the pages in docs/ run as they stand.

    ```console      `$ ` begins a command; the lines below are parts of its output, in that order.
                    A gateway is left running until the next one starts.
    ```gateway      parts of lines that the running gateway prints, in that order; waited for.
    ```python PATH  the text of a file.

Three things are changed: the ports 8080 to 8082 become free ones and what is printed names them as the page does,
`make run` becomes the program that it starts, and `tw_live_...` the key that was printed.
"""

import os
import re
import signal
import subprocess
import threading
from pathlib import Path

from tests.wire.processes import PATIENCE, PLAIN, TWISTD, free_port

BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RUN = "twistd -n --pidfile= twgw"


class Reader:
    """Somebody who types what the README says."""

    def __init__(self, folder, start):
        self.folder, self._start = folder, start
        self.ports = {"8080": free_port(), "8081": free_port(), "8082": free_port()}
        self.listen = {
            "TWGW_GATEWAY_LISTEN": f"tcp:{self.ports['8080']}:interface=127.0.0.1",
            "TWGW_ADMIN_LISTEN": f"tcp:{self.ports['8081']}:interface=127.0.0.1",
            "TWGW_CONTROL_LISTEN": f"tcp:{self.ports['8082']}:interface=127.0.0.1",
        }
        path = f"{Path(TWISTD).parent}{os.pathsep}{PLAIN['PATH']}"
        self.environment = {**PLAIN, **self.listen, "PATH": path, "XDG_CONFIG_HOME": str(folder / "config")}
        self.gateway, self.heard, self.key = None, 0, ""

    def follow(self, page):
        """Do what stands in the blocks of a page, in order; how many there were."""
        acts = {"console": self.console, "gateway": self.hear}
        done = 0
        for language, name, text in BLOCK.findall(page.read_text()):
            if language == "python" and name:
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
            command = command.partition("     #")[0].replace("make run", RUN)
            output = self._type(command)
            for _ in range(PATIENCE * 10):  # lines of a log are there within a fifth of a second
                if "access.log" not in command or not missing_in(output, shown.splitlines()):
                    break
                threading.Event().wait(0.1)
                output = self._type(command)
            assert not (missing := missing_in(output, shown.splitlines())), f"{command}\nlacks {missing!r}:\n{output}"

    def _type(self, command):
        for port, free in self.ports.items():
            command = command.replace(f":{port}", f":{free}")
        if command.startswith(RUN):
            self._serve(command.removeprefix(RUN).split())
            return ""
        if assigned := re.fullmatch(r"export (\w+)=(.*)", command):
            name, value = assigned.groups()
            if name != "PATH":  # the programs are those of this environment
                self.environment[name] = value.replace("tw_live_...", self.key)
            return ""
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, text=True, timeout=4 * PATIENCE,
            check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        if key := re.search(r"tw_live_\w+", done.stdout):
            self.key = key[0]
        output = done.stdout
        for port, free in self.ports.items():
            output = output.replace(f":{free}", f":{port}")
        return output

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
