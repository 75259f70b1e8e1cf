"""Consumer groups of users; and what a credential has beside its columns: whose name, which groups, a password.

A kill in the middle leaves one of both (MariaDB keeps each at once); the next run makes the other.
"""

from typing import Any

from alembic import op
from sqlalchemy import Column, ForeignKey, MetaData, PrimaryKeyConstraint, String, Table, Text, inspect
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MYSQL: Any = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

metadata = MetaData(
    naming_convention={"fk": "fk_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)
Table("user_account", metadata, Column("name", String(100), primary_key=True), **MYSQL)
user_group = Table(
    "user_group",
    metadata,
    Column("user_name", String(100), ForeignKey("user_account.name", ondelete="CASCADE"), nullable=False),
    Column("group_name", String(100), nullable=False),
    PrimaryKeyConstraint("user_name", "group_name"),
    **MYSQL,
)


def upgrade() -> None:
    """Make what is missing."""
    connection = op.get_bind()
    user_group.create(connection, checkfirst=True)
    if "data" not in {column["name"] for column in inspect(connection).get_columns("credential")}:
        op.add_column("credential", Column("data", Text().with_variant(LONGTEXT(), "mysql", "mariadb")))
