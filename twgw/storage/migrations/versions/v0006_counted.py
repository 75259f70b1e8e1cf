"""What was counted against long limits, so that it outlives whoever counts."""

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Index, MetaData, PrimaryKeyConstraint, String, Table, inspect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MYSQL: Any = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

counted = Table(
    "counted",
    MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"}),
    Column("place", String(100), nullable=False),
    Column("counter", String(48), nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("ends", Double, nullable=False),
    PrimaryKeyConstraint("place", "counter"),
    Index(None, "ends"),
    **MYSQL,
)


def upgrade() -> None:
    """Make what is missing."""
    connection = op.get_bind()
    counted.create(connection, checkfirst=True)
    there = {index["name"] for index in inspect(connection).get_indexes("counted")}
    for index in counted.indexes:
        if index.name not in there:
            index.create(connection)
