"""A process that writes to a database until it is killed: ``storage_writer.py URL NAME [TIMES]``.

Each write enters a key and revokes it, with an entry of the audit, in one transaction; what was committed is told on
standard output, one line each: the position and the id.  Run by ``test_databases.py``.
"""

import sys

from twgw.model import Credential
from twgw.storage import audit
from twgw.storage.credentials import add_credential, revoke_credential
from twgw.storage.database import Database
from twgw.storage.errors import Unavailable

NOW = 1_800_000_000.0


def write(connection, name, number):
    """One write; returns its position."""
    key = f"{name}-{number}"
    digest = f"v1:{name}{number:0>{64 - len(name)}}"
    add_credential(connection, Credential(id=key, application="batch", digest=digest), now=NOW)
    pos = revoke_credential(connection, "api-key", key, now=NOW)
    audit.append(connection, actor=name, action="test", subject=key, now=NOW)
    return pos


if __name__ == "__main__":
    url, name, *times = sys.argv[1:]
    database = Database(url, statement_timeout=10)
    for number in range(int(times[0]) if times else 1_000_000):
        try:
            pos = database.call(write, name, number, write=True)
        except Unavailable as error:
            print(f"{'unknown' if error.unknown else 'refused'} {name}-{number} {error}", flush=True)
        else:
            print(f"{pos} {name}-{number}", flush=True)
