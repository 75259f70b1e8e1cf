"""The systemd unit: what keeps the service safe, and lets it reload and drain."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent / "etc/twgw.service"


def settings(section):
    """The lines of a section as pairs, in order; a key may come twice."""
    _, _, rest = UNIT.read_text().partition(f"[{section}]\n")
    lines = [line for line in rest.partition("\n[")[0].splitlines() if line and not line.startswith("#")]
    return [tuple(line.split("=", 1)) for line in lines]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DynamicUser", "yes"),
        ("StateDirectory", "twgw"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("Restart", "on-failure"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("KillSignal", "SIGTERM"),
        ("LimitNOFILE", "65536"),
    ],
)
def test_says(key, value):
    """The unit is hardened, comes back after a crash, reloads by SIGHUP and drains by SIGTERM."""
    assert [value] == [found for name, found in settings("Service") if name == key]


def test_starts_the_gateway_in_the_foreground():
    """Systemd watches the process itself: no daemon, no pid file."""
    program, *words = dict(settings("Service"))["ExecStart"].split()

    assert "twistd" == Path(program).name
    assert ["--nodaemon", "--pidfile=", "twgw", "--config", "/etc/twgw/twgw.toml"] == words


def test_waits_for_the_drain():
    """Systemd ends what is left only after the 30 s that exchanges have to finish."""
    assert 30 < int(dict(settings("Service"))["TimeoutStopSec"])


def test_is_accepted_by_systemd(tmp_path):
    """Where systemd is installed it finds nothing to say about the unit; elsewhere every line is still a setting."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/twgw/venv/bin/twistd", shutil.which("true")))

    if analyze := shutil.which("systemd-analyze"):
        done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
        assert (0, "") == (done.returncode, done.stderr)

    for section in ("Unit", "Service", "Install"):
        assert all(2 == len(pair) and pair[0][:1].isupper() for pair in settings(section))
        assert settings(section)
