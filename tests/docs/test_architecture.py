"""docs/architecture.md draws the tree that is there, and quotes the code that is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
MODULES = [
    path for folder in ("twgw", "plugins") for path in (ROOT / folder).rglob("*.py") if path.name != "__init__.py"
]


def test_every_module_stands_in_the_drawing():
    """Who adds a file says on the page what it is for."""
    assert [] == sorted(path.name for path in MODULES if not re.search(rf"\b{re.escape(path.name)}\b", PAGE))


def test_every_file_that_is_named_is_there():
    """Who takes a file away takes it from the page."""
    folders = ("twgw", "plugins", "docs", "twisted", "tests")
    known = {path.name for folder in folders for path in (ROOT / folder).rglob("*.py")}

    assert [] == sorted(set(re.findall(r"\b\w+\.py\b", PAGE)) - known - {"noxfile.py"})


def test_every_folder_that_is_named_is_there():
    """The folders of the drawing are those of the checkout."""
    (drawing,) = re.findall(r"^## The tree\n\n```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    top = re.findall(r"^([\w./]+)/\s", drawing, re.MULTILINE)

    assert "twisted/plugins" in top
    assert [] == [name for name in top if not (ROOT / name).is_dir()]


def test_what_is_quoted_is_the_code():
    """The piece of pipeline.py on the page stands in pipeline.py."""
    (piece,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    code = (ROOT / "twgw" / "gateway" / "pipeline.py").read_text()

    assert "\n".join(line.strip() for line in piece.splitlines()) in "\n".join(map(str.strip, code.splitlines()))
