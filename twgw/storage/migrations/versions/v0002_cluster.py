"""The sessions of key managers, by which a cluster knows who may have granted leases."""

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Double, MetaData, String, Table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MYSQL: Any = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

km_session = Table(
    "km_session",
    MetaData(naming_convention={"pk": "pk_%(table_name)s"}),
    Column("session", String(32), primary_key=True),
    Column("node", String(100), nullable=False),
    Column("since", Double, nullable=False),
    Column("beats", BigInteger, nullable=False),
    Column("done_epoch", BigInteger, nullable=False),
    Column("done_pos", BigInteger, nullable=False),
    **MYSQL,
)


def upgrade() -> None:
    """Make what is missing."""
    km_session.create(op.get_bind(), checkfirst=True)
