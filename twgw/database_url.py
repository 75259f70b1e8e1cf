"""Where a database is, as ``[database] url`` says it: checked before anything is connected.  Used by ``config.py``."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from attrs import field, frozen

KINDS = ("sqlite", "postgresql", "mariadb", "mysql")
PASSWORDS = ("password", "passwd")
"""What the drivers take as one, too."""


@frozen
class DatabaseUrl:
    """``sqlite:///FILE``, ``postgresql://USER@HOST/NAME``, ``mariadb://…`` or ``mysql://…``, without a password.

    What stands after a ``?`` is for the driver: ``?sslmode=verify-full`` (PostgreSQL), ``?ssl_ca=FILE`` (MariaDB).
    """

    text: str
    file: Path | None = field(default=None)
    """Of SQLite."""

    @classmethod
    def from_text(cls, text: str) -> "DatabaseUrl":
        """Read a URL.  Raises ValueError."""
        kind, colon, rest = text.partition("://")
        if kind not in KINDS or not colon:
            raise ValueError("must begin with sqlite:///, postgresql://, mariadb:// or mysql://")
        if kind == "sqlite":
            if not rest.startswith("/") or not rest[1:].strip("/") or "?" in rest:
                raise ValueError("must name a file: sqlite:///twgw.db or sqlite:////var/lib/twgw/twgw.db")
            return cls("", Path(rest[1:]))
        place = urlsplit(text)
        if place.password is not None or not parse_qs(place.query, keep_blank_values=True).keys().isdisjoint(PASSWORDS):
            raise ValueError("must not have a password, as it is shown; put that into a file for password_file")
        if not place.path.strip("/"):
            raise ValueError(f"must name a database: {kind}://user@host/name")
        return cls(text)

    def __str__(self) -> str:
        return self.text if self.file is None else f"sqlite:///{self.file}"
