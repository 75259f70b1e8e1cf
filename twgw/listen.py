"""Where a node listens: one text for each listener, written as Twisted's endpoint strings are.

The settings ``listen`` of ``config.py`` are made of it; ``service.py`` and ``tap.py`` bind what it says.
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from attrs import frozen

from twgw.faults import suggest

_PART = re.compile(r"((?:\\.|\[[0-9A-Fa-f:.]*\]|[^:\\])*)(?::|\Z)", re.DOTALL)
_OPTIONS = {"tcp": ("interface",), "ssl": ("interface", "certKey", "privateKey")}


@frozen
class Listen:
    """Where to listen.  Without ``interface``: on every address, IPv4 and IPv6.  Port 0 is any free one."""

    kind: Literal["tcp", "ssl"]
    port: int
    interface: str = ""
    certificate: Path | None = None
    key: Path | None = None

    @classmethod
    def from_text(cls, text: str) -> "Listen":
        r"""Read ``tcp:PORT[:interface=ADDRESS]`` or ``ssl:PORT[:interface=ADDRESS][:certKey=FILE][:privateKey=FILE]``.

        Colons inside a value are written ``\:``, as in Twisted's endpoint strings; an IPv6 address may stand in
        brackets.  A certificate without a key is a file that holds both.  Raises ValueError.
        """
        if "\\" in re.sub(r"\\.", "", text):
            raise ValueError("ends in a single \\")
        kind, port, *parts = [re.sub(r"\\(.)", r"\1", part) for part in _PART.findall(text)] + [""]
        if kind not in _OPTIONS or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or int(port) > 65535:
            raise ValueError("must be tcp:PORT or ssl:PORT, with options such as :interface=127.0.0.1")
        options: dict[str, str] = {}
        for part in filter(None, parts):
            name, _, value = part.partition("=")
            if name not in _OPTIONS[kind]:
                raise ValueError(f"unknown option {name}{suggest(name, _OPTIONS[kind])}")
            if name in options or not value:
                raise ValueError(f"option {name} must have one value")
            options[name] = value
        certificate, key = options.get("certKey"), options.get("privateKey")
        if key and not certificate:
            raise ValueError("privateKey needs certKey")
        return cls(
            "ssl" if kind == "ssl" else "tcp",
            int(port),
            _address(options.get("interface", "")),
            Path(certificate) if certificate else None,
            Path(key) if key else None,
        )

    @property
    def host(self) -> str:
        """The interface as it stands in a URL; on every address, the loopback one."""
        interface = self.interface or "127.0.0.1"
        return f"[{interface}]" if ":" in interface else interface

    def __str__(self) -> str:
        options = {"interface": self.interface, "certKey": self.certificate, "privateKey": self.key}
        written = {name: re.sub(r"[\\:]", r"\\\g<0>", str(value)) for name, value in options.items() if value}
        return f"{self.kind}:{self.port}" + "".join(f":{name}={value}" for name, value in written.items())


def _address(text: str) -> str:
    address = text.removeprefix("[").removesuffix("]")
    try:
        ip_address(address or "::")
    except ValueError:
        raise ValueError("interface must be an IP address; the colons in it are written \\:") from None
    return address
