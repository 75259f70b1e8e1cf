"""Bringing a database to the tables of this version.  Called at start and by ``twgw db``.

Several nodes may try at once: one does it, the others wait for the lock and find it done.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from attrs import frozen
from sqlalchemy.engine import Connection

from twgw.storage.database import Database
from twgw.storage.errors import Unavailable
from twgw.storage.vendors import lock_schema


@frozen
class SchemaStatus:
    """Which schema a database has, and which this version wants."""

    current: str | None
    wanted: str

    @property
    def is_current(self) -> bool:
        """Whether nothing is to be done."""
        return self.current == self.wanted


def upgrade(database: Database, to: str = "") -> SchemaStatus:
    """Bring a database forward, and return what it was before.  Raises Unavailable.

    ``to``: the schema of an earlier version; without it that of this one.  A database of a later version is left as it
    is and refused.
    """
    return database.call(_upgrade, to, write=True)


def released() -> list[str]:
    """Every schema that a database may have, the first one first."""
    return [step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def schema_status(database: Database) -> SchemaStatus:
    """Which schema a database has.  Raises Unavailable."""
    return database.call(_status)


def _status(connection: Connection) -> SchemaStatus:
    return SchemaStatus(MigrationContext.configure(connection).get_current_revision(), released()[-1])


def _upgrade(connection: Connection, to: str) -> SchemaStatus:
    lock_schema(connection)
    before = _status(connection)
    if before.current is not None and before.current not in released():
        raise Unavailable(
            f"the database has schema {before.current}, which is later than this version of twgw ({before.wanted}); "
            "install the version that made it, or restore a backup"
        )
    if not before.is_current:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, to or before.wanted)
    return before


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config
