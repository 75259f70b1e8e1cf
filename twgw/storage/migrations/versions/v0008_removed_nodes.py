"""Nodes that were taken out of the cluster, and which certificates were given to whom."""

from typing import Any

from alembic import op
from sqlalchemy import Column, Double, Index, MetaData, PrimaryKeyConstraint, String, Table, inspect

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MYSQL: Any = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"})

removed_node = Table(
    "removed_node",
    metadata,
    Column("node", String(100), nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("node"),
    **MYSQL,
)

node_certificate = Table(
    "node_certificate",
    metadata,
    Column("serial", String(40), nullable=False),
    Column("node", String(100), nullable=False),
    Column("issued_at", Double, nullable=False),
    Column("ends_at", Double, nullable=False),
    PrimaryKeyConstraint("serial"),
    Index(None, "node"),
    Index(None, "ends_at"),
    **MYSQL,
)


def upgrade() -> None:
    """Make what is missing."""
    connection = op.get_bind()
    for table in (removed_node, node_certificate):
        table.create(connection, checkfirst=True)
        there = {index["name"] for index in inspect(connection).get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in there:
                index.create(connection)
