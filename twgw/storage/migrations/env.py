"""What Alembic runs: the steps, on the connection that ``upgrade.py`` has locked."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
context.run_migrations()
