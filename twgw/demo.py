"""The demo that a first start makes, so that a gateway without any configuration has something to answer.

``startup.py`` puts its state into the database, and tells how to call it once the gateway listens.  The key stands in a
file that is made before: whatever a kill leaves, the next start goes on from there.
"""

from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from string import Template

from twgw.credentials import key_id, mint
from twgw.newfile import create

KEY_FILE = "demo.key"
EVERYWHERE = ("", "0.0.0.0", "::")


def find_key(data_dir: Path) -> str | None:
    """The key of the demo; None when somebody took it away, or there never was one."""
    try:
        key = (data_dir / KEY_FILE).read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    return key if key_id(key) else None


def ensure_key(data_dir: Path) -> str:
    """The key of the demo, made when there is none.  The directory must exist.  Raises OSError of the disk."""
    if key := find_key(data_dir):
        return key
    path = data_dir / KEY_FILE
    path.unlink(missing_ok=True)  # what is there is no key
    key = mint("demo")
    with suppress(FileExistsError):  # another node that starts on the same directory was first: its file counts
        create(path, f"{key}\n")
    return find_key(data_dir) or key


def text(digest: str) -> str:
    """The state of the demo, as it would stand in a file; its application has the key with this digest."""
    return Template((files("twgw") / "templates" / "demo.yaml").read_text("utf-8")).substitute(digest=digest)


def how_to_call(key: str, base_path: str, origin: str) -> str:
    """What to tell whoever started the gateway."""
    return f"Try it: curl -i -H 'X-API-Key: {key}' {origin}{base_path.rstrip('/')}/hello"


def origin(interface: str, port: int) -> str:
    """How a client on this machine names a listener: ``http://127.0.0.1:8080``."""
    host = "127.0.0.1" if interface in EVERYWHERE else interface
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
