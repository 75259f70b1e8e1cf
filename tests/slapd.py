"""Real LDAP servers for tests: OpenLDAP's slapd on private ports, with some thousand users.

Below dc=example: ou=people with u0 … u2999, and with alice, bob and others who have a part in a test; ou=groups, some
of them nested or in a circle; ou=twins, two entries of one name.
"""

import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

from tests.wire.processes import PATIENCE, free_port
from tests.wire.test_tls import certificate

SLAPD, SLAPADD = "/usr/sbin/slapd", "/usr/sbin/slapadd"
BASE, PEOPLE, GROUPS = "dc=example", "ou=people,dc=example", "ou=groups,dc=example"
READER, READER_PASSWORD = "cn=reader,dc=example", "reader-canary-77"
USERS = 3000
SIZE_LIMIT = 500

CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/slapd.pid
TLSCACertificateFile {authority}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {certificate}
sizelimit {limit}
database mdb
suffix "dc=example"
rootdn "cn=root,dc=example"
rootpw root
directory {folder}/data
maxsize 268435456
dbnosync
limits dn.exact="cn=reader,dc=example" size.soft={limit} size.hard={limit} size.prtotal=unlimited
index objectClass,uid,cn,member,uniqueMember,memberUid eq
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=secret,dc=example" by * none
access to * by dn.exact="uid=blind,ou=people,dc=example" none by users read by * none
"""


def dn(user):
    """The DN of a user."""
    return f"uid={user},{PEOPLE}"


def group_dn(name):
    """The DN of a group."""
    return f"cn={name},{GROUPS}"


MEMBERS = {
    "everybody": [*(dn(f"u{i}") for i in range(USERS)), dn("alice")],
    "developers": [dn("alice"), dn("bob")],
    "engineering": [group_dn("developers")],
    "staff": [group_dn("engineering")],
    "circle-a": [dn("carol"), group_dn("circle-c")],
    "circle-b": [group_dn("circle-a")],
    "circle-c": [group_dn("circle-b")],
    "Smith\\, Sons": [dn("alice")],
}
"""Groups of names."""
LEVELS = 14
"""Groups around dave, each in the next."""
MANY = 700
"""Groups that erin is in: more than the server gives at once."""


def groups():
    """Every group of names with its members."""
    yield from MEMBERS.items()
    for level in range(LEVELS):
        yield f"level{level:02}", [dn("dave") if level == 0 else group_dn(f"level{level - 1:02}")]
    for number in range(MANY):
        yield f"many{number:03}", [dn("erin")]


def ldif():
    """Every entry of the directory, with the back links that the overlay would have made."""
    member_of = {}
    for name, members in groups():
        for member in members:
            member_of.setdefault(member, []).append(group_dn(name))

    def entry(name, *lines):
        links = [f"memberOf: {group}" for group in member_of.get(name, ())]
        return "\n".join([f"dn: {name}", *lines, *links, ""])

    def person(name, uid, password, *more):
        return entry(
            name, "objectClass: inetOrgPerson", f"uid: {uid}", f"cn: {uid.title()} Example", "sn: Example",
            f"userPassword: {password}", f"mail: {uid}@example.org", *more,
        )  # fmt: skip

    yield entry(BASE, "objectClass: dcObject", "objectClass: organization", "dc: example", "o: Example")
    for unit in ("people", "groups", "twins", "secret"):
        yield entry(f"ou={unit},{BASE}", "objectClass: organizationalUnit", f"ou: {unit}")
    yield entry(READER, "objectClass: organizationalRole", "objectClass: simpleSecurityObject", "cn: reader",
                f"userPassword: {READER_PASSWORD}")  # fmt: skip
    for uid in ("alice", "bob", "carol", "dave", "erin", "blind"):
        yield person(dn(uid), uid, f"{uid}-pw")
    yield person(dn("Äsop"), "Äsop", "prôtégé")
    yield person(dn("soft"), "soft", "soft-pw")
    yield person("uid=star\\2A,ou=people,dc=example", "star*", "star-pw")
    for number in (1, 2):
        yield person(f"cn=twin{number},ou=twins,{BASE}", "twin", f"twin{number}-pw", f"cn: twin{number}")
    for number in range(USERS):
        yield person(dn(f"u{number}"), f"u{number}", f"pw{number}")
    for name, members in groups():
        plain = name.replace("\\", "")
        yield entry(group_dn(name), "objectClass: groupOfNames", f"cn: {plain}", *(f"member: {one}" for one in members))
    yield entry(group_dn("posix"), "objectClass: posixGroup", "cn: posix", "gidNumber: 1", "memberUid: alice")
    yield entry(group_dn("unique"), "objectClass: groupOfUniqueNames", "cn: unique", f"uniqueMember: {dn('bob')}")
    yield entry(f"ou=elsewhere,{PEOPLE}", "objectClass: referral", "objectClass: extensibleObject", "ou: elsewhere",
                "ref: ldap://127.0.0.1:1/ou=people,dc=elsewhere")  # fmt: skip


class Slapd:
    """One server.  ``plain`` and ``secure`` are its addresses, ``authority`` the PEM file that vouches for it."""

    def __init__(self, folder, authority, certificate):
        if not Path(SLAPD).exists():
            raise FileNotFoundError(f"{SLAPD} is missing: make .venv/developed installs it, or: apt-get install slapd")
        self.authority = authority
        self.folder = folder
        (folder / "data").mkdir()
        config = folder / "slapd.conf"
        config.write_text(
            CONFIG.format(folder=folder, authority=authority, certificate=certificate, limit=SIZE_LIMIT)
        )
        self._config = config
        self.port, self.secure_port = free_port(), free_port()
        self.plain, self.secure = f"ldap://127.0.0.1:{self.port}", f"ldaps://127.0.0.1:{self.secure_port}"
        self.process = None

    def fill(self):
        """Load every entry."""
        text = "\n".join(ldif())
        subprocess.run(
            [SLAPADD, "-q", "-f", self._config], input=text, text=True, check=True, timeout=PATIENCE,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return self

    def start(self):
        """Serve."""
        self.process = subprocess.Popen(
            [SLAPD, "-f", self._config, "-h", f"{self.plain}/ {self.secure}/", "-d", "0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        for port in (self.port, self.secure_port):
            wait_for(port, self.process)
        return self

    def hang(self):
        """Go on holding connections, and answer nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self):
        """Answer again."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Be gone."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process.stderr.close()
            self.process = None


def wait_for(port, process, host="127.0.0.1"):
    """Wait until a process listens."""
    for _ in range(PATIENCE * 20):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {process.stderr.read() if process.stderr else process.returncode}")
        with socket.socket() as sock:
            if sock.connect_ex((host, port)) == 0:
                return
        threading.Event().wait(0.05)
    raise RuntimeError(f"nobody listens on port {port}")


def copied(server, folder):
    """Another server with the same entries."""
    other = Slapd(folder, server.authority, server.folder / "127.0.0.1.pem")
    shutil.copytree(server.folder / "data", folder / "data", dirs_exist_ok=True)
    return other


def make(folder):
    """A server with its own authority, filled and started."""
    issuer = certificate(folder, "authority")
    certificate(folder, "127.0.0.1", issuer)
    return Slapd(folder, folder / "authority.pem", folder / "127.0.0.1.pem").fill().start()
