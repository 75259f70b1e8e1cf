"""A newcomer with a real API, a token from curl and a directory, by docs/first-api.md alone; see ``reader.py``."""

import shutil
from pathlib import Path

from tests.wire.reader import Reader

ROOT = Path(__file__).parents[2]
DOCUMENT = "etc/examples/weather.openapi.yaml"


def test_a_real_api_a_token_and_a_directory(start, tmp_path, slapd):
    """Whoever types what stands there sees what stands there, also what is wrong first."""
    (tmp_path / DOCUMENT).parent.mkdir(parents=True)
    shutil.copy(ROOT / DOCUMENT, tmp_path / DOCUMENT)
    shutil.copy(slapd.authority, tmp_path / "corp-ca.pem")
    reader = Reader(tmp_path, start, {"3389": slapd.port})

    try:
        done = reader.follow(ROOT / "docs" / "first-api.md")
        assert 0 == reader.stop()
    finally:
        reader.leave()

    assert 10 <= done
