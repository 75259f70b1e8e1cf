"""Tests of twgw.cli_api_edit."""

import json
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from twgw.document import read_document


@pytest.fixture
def pets(desk):
    """An API that is served."""
    desk.done("api", "add", "/pets", "http://one", "--publish")
    return desk


def text_of(desk, **changes):
    """The API as it is sent, changed."""
    return json.dumps(desk.found("api", "show", "pets")["api"] | changes)


@pytest.fixture
def editor(pets, monkeypatch):
    """Somebody at a terminal, whose editor does what a script says with the file."""

    def edits(*scripts):
        path = pets.folder / "editor"
        path.write_text("#!/bin/sh\n" + "".join(
            f"[ -e {path}.{number} ] || {{ touch {path}.{number}; {script}; exit; }}\n"
            for number, script in enumerate(scripts)
        ))  # fmt: skip
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("EDITOR", str(path))
        monkeypatch.setenv("VISUAL", str(path))
        monkeypatch.setattr("twgw.cli_api_edit.sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
        return pets

    return edits


def test_a_new_revision_comes_from_a_file_or_from_standard_input(pets):
    """It is served when that is said, or when the API is published again."""
    Path("pets.yaml").write_text(text_of(pets, title="Pets"))
    said = pets.done("api", "edit", "pets", "--file", "pets.yaml", "--note", "a title")
    assert "pets:1.0 has revision 2, not served yet: twgw api publish pets:1.0\n" == said
    assert "pets:1.0 has revision 3, which is served\n" == pets.done(
        "api", "edit", "pets", "--publish", typed=text_of(pets, title="Our pets")
    )

    assert "Our pets" in pets.done("api", "show", "pets")
    assert [(3, ""), (2, "a title"), (1, "")] == [
        (each["number"], each["note"]) for each in pets.found("api", "revisions", "pets")
    ]


def test_what_is_wrong_in_it_is_said(pets):
    """The place of the fault, and nothing is saved."""
    assert "base_path: " in pets.refused("api", "edit", "pets", typed=text_of(pets, base_path="pets"))
    assert "not YAML" in pets.refused("api", "edit", "pets", typed="a: [")
    Path("bytes").write_bytes(b"\xff")
    assert "bytes: is not UTF-8 text" in pets.refused("api", "edit", "pets", "--file", "bytes")
    assert 1 == pets.found("api", "show", "pets")["latest"]


def test_an_editor_shows_what_is_not_as_ever(editor):
    """Short, as YAML; what is saved becomes a revision."""
    desk = editor('cp "$1" seen; sed -i s/one/two/ "$1"')
    found = desk.found("api", "edit", "pets")
    seen, _ = read_document(Path("seen").read_text(), "seen")

    assert {"name", "version", "base_path", "upstream", "policies"} == set(seen) - {"state"}
    assert {"targets": [{"url": "http://one"}]} == seen["upstream"]
    assert ["http://two"] == [each["url"] for each in found["api"]["upstream"]["targets"]]


def test_what_is_left_as_it_was_changes_nothing(editor):
    """No revision comes of it."""
    assert "nothing was changed" in editor("true").refused("api", "edit", "pets")


def test_what_is_refused_is_edited_again(editor):
    """As often as somebody wants to; then it is kept for later."""
    wrong, right = 'sed -i s%http://one%gopher://x% "$1"', 'sed -i s%gopher://x%http://two% "$1"'
    desk = editor(wrong, right, wrong.replace("http://one", "http://two"))

    said = desk.done("api", "edit", "pets", typed="y\n")
    assert "upstream.targets[0].url: " in said
    assert "Edit it again? [Y/n]" in said
    assert "What you wrote is in pets-1.0.rejected.yaml" in desk.refused("api", "edit", "pets", typed="n\n").replace(
        "nothing was changed; what", "What"
    )
    assert "gopher://x" in Path("pets-1.0.rejected.yaml").read_text()


def test_who_was_slower_loses_nothing(editor, monkeypatch):
    """What somebody else has changed meanwhile stays, and so does the text."""
    desk = editor('sed -i s/one/two/ "$1"')
    text = text_of(desk, title="quicker")
    saved = desk.world.get("/apis/pets")

    def meanwhile(shown, **_):
        desk.world.ask("PUT", "/apis/pets:1.0", json.loads(text), If_Match="*", status=200)
        return shown.replace("one", "two")

    monkeypatch.setattr("twgw.cli_api_edit.click.edit", meanwhile)
    said = desk.refused("api", "edit", "pets")
    assert "Changed meanwhile: somebody else has changed it" in said
    assert "What you wrote is in pets-1.0.rejected.yaml" in said
    assert (saved["latest"] + 1, "quicker") == (
        desk.world.get("/apis/pets")["latest"], desk.world.get("/apis/pets")["api"]["title"]
    )


def test_an_older_revision_is_gone_back_to(pets):
    """It is the newest then, and served."""
    pets.done("api", "edit", "pets", "--publish", typed=text_of(pets, title="wrong"))

    said = pets.done("api", "rollback", "pets", "1")
    assert "pets:1.0 is as it was in revision 1: revision 3, which is served\n" == said
    rows = [line.split() for line in pets.done("api", "revisions", "pets").splitlines()]
    assert (["3", "served"], "2") == (rows[1][:2], rows[2][0])
    assert "there is no revision 9" in pets.refused("api", "rollback", "pets", "9")
    assert 4 == pets.found("api", "rollback", "pets", "2")["latest"]


def test_another_version_is_a_copy(pets):
    """Which nobody finds yet."""
    said = pets.done("api", "copy", "pets", "2.0", "--path", "/pets/2.0")

    assert "pets:2.0 is CREATED at /pets/2.0\nNext: twgw api edit pets:2.0, and twgw api publish pets:2.0\n" == said
    assert "pets:3.0" == pets.found("api", "copy", "pets:1.0", "3.0", "--path", "/pets/3.0")["id"]


def test_an_api_is_exported_and_imported_again(pets):
    """As an OpenAPI document, which has to say where the gateway is."""
    done = pets.run("api", "export", "pets")
    assert (2, True) == (done.exit_code, "--server https://api.example.com" in done.output)
    text = pets.done("api", "export", "pets", "--server", "https://api.example.com")

    assert json.loads(text) == json.loads(pets.found("api", "export", "pets", "--server", "https://api.example.com")["text"])
    pets.done("api", "delete", "pets", "--yes")
    pets.done("api", "import", "-", typed=text)
    assert "http://one" in pets.done("api", "show", "pets")
