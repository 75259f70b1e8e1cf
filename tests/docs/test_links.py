"""Every page leads somewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_links_lead_somewhere():
    """Every file that a page links to is there."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    links = [(page, target) for page in pages for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())]

    assert [] == [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()]
