"""The demo that a first start makes, so that a gateway without any configuration has something to answer.

``tap.py`` calls ``ensure`` before the state is read and prints ``lines`` once the gateway listens.  The files are
made one after the other, each whole, the state last: whatever a kill leaves, the next start goes on from there.
"""

from collections.abc import Iterable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from string import Template

from attrs import field, frozen

from twgw.credentials import Pepper, digest, key_id, mint
from twgw.model import Api, Application, State
from twgw.newfile import create

KEY_FILE, STATE_FILE = "demo.key", "apis.yaml"
IN_MEMORY = (
    "Kept in memory only: what is counted against limits, which begins anew at each start. "
    "This version has no database and no cluster."
)
EVERYWHERE = ("", "0.0.0.0", "::")


@frozen
class Demo:
    """The key of the demo application, and how the state knows it."""

    key: str = field(repr=False)
    digest: str


def ensure(data_dir: Path, pepper: Pepper) -> Demo | None:
    """Make the demo in a data directory that has no state yet; say what it is where it has been made.

    The directory must exist.  None when somebody took the demo's key away.  Raises OSError of the disk.
    """
    state, key_file = data_dir / STATE_FILE, data_dir / KEY_FILE
    key = _read_key(key_file)
    if not state.exists():
        if key is None:
            key = _make_key(key_file)
        _create(state, Template(_template()).substitute(digest=digest(pepper, key)))
    return Demo(key, digest(pepper, key)) if key else None


def _read_key(path: Path) -> str | None:
    try:
        key = path.read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    return key if key_id(key) else None


def _make_key(path: Path) -> str:
    path.unlink(missing_ok=True)  # what is there is no key
    key = mint("demo")
    _create(path, f"{key}\n")
    return _read_key(path) or key


def _create(path: Path, text: str) -> None:
    with suppress(FileExistsError):  # another node that starts on the same directory was first: its file counts
        create(path, text)


def _template() -> str:
    return (files("twgw") / "templates" / "demo.yaml").read_text("utf-8")


def lines(demo: Demo | None, state: State, origin: str) -> list[str]:
    """What to tell whoever started the gateway: how to call the demo while it is there, and what is not kept."""
    api = _callable_api(demo, state) if demo and origin else None
    if demo is None or api is None:
        return [IN_MEMORY]
    path = f"{api.base_path.rstrip('/')}/hello"
    return [f"Try it: curl -i -H 'X-API-Key: {demo.key}' {origin}{path}", IN_MEMORY]


def _callable_api(demo: Demo, state: State) -> Api | None:
    """The first API that the key opens; without a host name, as the call has none."""
    apis = {api.id: api for api in state.apis if not api.hosts}
    opened = (
        apis[subscription.api]
        for application in _owners(demo, state.applications)
        for subscription in application.subscriptions
        if subscription.api in apis
    )
    return next(opened, None)


def _owners(demo: Demo, applications: Iterable[Application]) -> Iterable[Application]:
    for application in applications:
        if any(demo.digest == credential.digest for credential in application.credentials):
            yield application


def origin(interface: str, port: int) -> str:
    """How a client on this machine names a listener: ``http://127.0.0.1:8080``."""
    host = "127.0.0.1" if interface in EVERYWHERE else interface
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
