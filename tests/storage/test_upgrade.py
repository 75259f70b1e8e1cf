"""Tests of twgw.storage.upgrade."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from twgw.storage.errors import Unavailable
from twgw.storage.schema import metadata
from twgw.storage.upgrade import schema_status, upgrade


def test_migrations_lead_to_the_tables_of_this_version(database):
    """A database that went through all steps has what schema.py says, no more and no less."""

    def compare(connection):
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return compare_metadata(context, metadata)

    assert [] == database.call(compare)


def test_a_second_upgrade_does_nothing(database):
    """Every start may ask for it."""
    assert upgrade(database).is_current
    assert schema_status(database).is_current


def test_a_later_schema_is_left_alone(database):
    """An old version does not touch what a new one made, and says what to do."""
    later = text("UPDATE alembic_version SET version_num='9999'")
    database.call(lambda connection: connection.execute(later), write=True)

    with pytest.raises(Unavailable, match="has schema 9999, which is later than this version of twgw"):
        upgrade(database)

    assert "9999" == schema_status(database).current
