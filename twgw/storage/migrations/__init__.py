"""The history of the tables, for Alembic: ``versions/`` in order, run by ``upgrade.py``.

Each step is forward only and may be run again after a kill in its middle: MariaDB and MySQL keep every statement
at once.
"""
