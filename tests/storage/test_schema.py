"""Tests of twgw.storage.schema."""

from twgw.storage.schema import metadata


def test_every_table_is_made_for_comparing_by_bytes():
    """On MariaDB a table that says nothing would take Pets for pets, and might keep no promises."""
    tables = metadata.sorted_tables

    assert {"utf8mb4_bin"} == {table.dialect_options["mysql"]["collate"] for table in tables}
    assert {"InnoDB"} == {table.dialect_options["mysql"]["engine"] for table in tables}


def test_every_row_can_be_named():
    """No table is without a primary key."""
    assert [] == [table.name for table in metadata.sorted_tables if not table.primary_key.columns]
