"""The registry in a database: SQLAlchemy Core on SQLite, PostgreSQL, MariaDB and MySQL.

Every query is a plain function of a connection, of nouns and the time, and returns nouns:

    def find_tier(connection: Connection, name: str) -> Tier | None:

``Database.call`` and ``Database.run`` (``database.py``) give it one transaction: what it raises undoes all of it.
What takes trust away, or changes what is served, also appends to the cluster log, in that transaction (``log.py``), and
returns the position.  ``audit.append`` comes after that, so that all take the two locks in the same order.
Vendors' SQL stays in ``database.py``; the tables are in ``schema.py``, their history in ``migrations/``.
"""
