"""What the gateways of a key manager say of themselves, in its session."""

from alembic import op
from sqlalchemy import Column, Text, inspect
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is missing."""
    if "report" not in {each["name"] for each in inspect(op.get_bind()).get_columns("km_session")}:
        op.add_column("km_session", Column("report", Text().with_variant(LONGTEXT(), "mysql", "mariadb")))
