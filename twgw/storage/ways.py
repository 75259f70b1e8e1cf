"""What to do when a database lets a node not in: by what its driver and its server say of it.

Used by ``database.py``.  Whoever begins with twgw meets these first; what has no way out here is said as it is.  Pure.
"""

import re
from typing import Any

HOW = "docs/operating.md, Two boxes, and more"
WAYS = {
    r"resolve host|Name or service not known|No address associated|name resolution":
        "no machine is known here by that name: correct the host in [database] url",
    r"Connection refused|failed: No such file or directory":
        "start the database, or correct host and port in [database] url; one that was just installed answers its own "
        f"machine alone ({HOW})",
    r"connection timeout expired|No route to host|is unreachable|cannot connect to \S+: (timed|\[Errno 110])":
        "is that machine up, and the firewall between open?  Else correct host and port in [database] url",
    r"no pg_hba.conf entry|is not allowed to connect":
        f"have the server of the database let this machine in ({HOW})",
    r'authentication failed|no password supplied|role ".*" does not exist|\(1045\)':
        "correct the user in [database] url, or what stands in [database] password_file (twgw cluster init: "
        "--db-password-file)",
    r'database ".*" does not exist|\((1044|1049)\)':
        f"make that database, for this user, or correct its name in [database] url ({HOW})",
    r"permission denied|\((1142|1143|1370)\)":
        f"the user of [database] url needs every right on its database ({HOW})",
    r"invalid connection option|unexpected keyword argument":
        "correct what stands after the ? in [database] url: it is for the driver",
}  # fmt: skip
"""By a pattern of the words.  Drivers tell of a connection that was not made in words alone."""


def way_out(error: Any) -> str:
    """What to do about an error of a driver; empty where nothing is known."""
    said = words(error)
    return next((way for pattern, way in WAYS.items() if re.search(pattern, said)), "")


def words(error: Any) -> str:
    """What a driver says: PyMySQL has a number and a text."""
    if len(getattr(error, "args", ())) == 2 and isinstance(error.args[0], int):
        return f"{error.args[1]} ({error.args[0]})"
    return str(error)
