"""A real Active Directory domain controller for tests: Samba's, with nothing of it but LDAP.

It listens on the ports of LDAP, which it cannot be talked out of, on a loopback address of its own, and for both it
needs root.
"""

import os
import random
import shutil
import subprocess

import ldap3

from tests.slapd import wait_for
from tests.wire.processes import PATIENCE
from tests.wire.test_tls import certificate

BASE, USERS = "DC=ad,DC=example", "CN=Users,DC=ad,DC=example"
PACKAGES = "samba-ad-dc samba-ad-provision"
ADMIN, ADMIN_PASSWORD = f"CN=Administrator,{USERS}", "Passw0rd-admin"
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]
PEOPLE = ("alice", "bob", "carol", "reader")
GROUPS = {
    "developers": ["alice"],
    "engineering": ["developers"],
    "staff": ["engineering"],
    "circle-a": ["carol", "circle-b"],
    "circle-b": ["circle-a"],
}


def dn(name):
    """The DN of a user or a group."""
    return f"CN={name},{USERS}"


def password(user):
    """A password that the domain's rules take."""
    return f"Passw0rd-{user}"


class Samba:
    """A domain controller.  ``authority`` is the PEM file that vouches for ``name``."""

    name = "dc.ad.example"

    def __init__(self, folder):
        self._program = shutil.which("samba", path=f"{os.environ['PATH']}:/usr/sbin")
        if not self._program:
            raise FileNotFoundError(f"samba is missing: make .venv/developed, or: apt-get install {PACKAGES}")
        self.address = f"127.{random.randrange(16, 255)}.{random.randrange(255)}.{random.randrange(1, 255)}"
        self.secure, self.plain = f"ldaps://{self.address}", f"ldap://{self.address}"
        issuer = certificate(folder, "authority")
        self._certificate = certificate(folder, self.name, issuer)[2]
        self._certificate.chmod(0o600)
        self.authority = folder / "authority.pem"
        self._folder = folder
        self._run = folder / "dc"
        self.process = None

    def make(self):
        """Make the domain, and its people."""
        made = subprocess.run(
            [*AS_ROOT, "samba-tool", "domain", "provision", "--realm=AD.EXAMPLE", "--domain=AD", "--server-role=dc",
             f"--adminpass={ADMIN_PASSWORD}", "--dns-backend=NONE", f"--targetdir={self._run}",
             f"--host-ip={self.address}", "--host-name=dc"],
            check=False, timeout=300, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        assert 0 == made.returncode, made.stdout[-2000:]
        options = {
            "server services": "ldap", "interfaces": f"{self.address}/8", "bind interfaces only": "yes",
            "lock directory": self._run, "pid directory": self._run, "log file": self._run / "log",
            "tls keyfile": self._certificate, "tls certfile": self._certificate, "tls cafile": self.authority,
        }  # fmt: skip
        self.process = subprocess.Popen(
            [*AS_ROOT, self._program, "--interactive", "--model=single", f"--configfile={self._run}/etc/smb.conf",
             *(f"--option={name}={value}" for name, value in options.items())],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(636, self.process, self.address)
        self._fill()
        return self

    def _fill(self):
        server = ldap3.Server(self.address, 636, use_ssl=True, get_info=ldap3.NONE)
        root = ldap3.Connection(server, ADMIN, ADMIN_PASSWORD, auto_bind=True, auto_referrals=False)
        for user in PEOPLE:
            values = {
                "sAMAccountName": user, "userAccountControl": 512, "mail": f"{user}@ad.example",
                "unicodePwd": f'"{password(user)}"'.encode("utf-16-le"),
            }  # fmt: skip
            assert root.add(dn(user), ["top", "person", "user"], values), root.result
        for group in GROUPS:
            assert root.add(dn(group), ["top", "group"], {"sAMAccountName": group}), root.result
        for group, members in GROUPS.items():
            change = {"member": [(ldap3.MODIFY_ADD, [dn(member) for member in members])]}
            assert root.modify(dn(group), change), root.result
        assert root.modify(dn("bob"), {"userAccountControl": [(ldap3.MODIFY_REPLACE, [514])]}), root.result  # disabled
        root.unbind()

    def stop(self):
        """Be gone."""
        if self.process is not None:
            self.process.stdin.close()  # which ends a controller that runs interactively
            self.process.wait(PATIENCE)
            self.process = None
