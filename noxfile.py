"""The checks, each in an environment of its own.  `make test` runs the same commands in one; CI calls that."""

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["tests", "lint", "types", "docs", "changelog"]


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests."""
    session.install("--editable", ".[test]")
    session.run("npm", "ci", "--ignore-scripts", "--prefix", "tests/wire/oauth4webapi", silent=True)
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Read the code for mistakes and habits."""
    session.install("ruff >= 0.17")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types."""
    session.install("--editable", ".[lint]", "nox")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Is docs/reference.md what the code says."""
    session.install("--editable", ".")
    session.run("python", "docs/generate.py", "--check")


@nox.session
def changelog(session: nox.Session) -> None:
    """Can the news fragments be assembled."""
    session.install("towncrier")
    session.run("towncrier", "build", "--draft", "--version", "next")


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with the peers; takes long, and needs what bench/install-peers installs."""
    session.install("--editable", ".")
    session.run("bench/run", *session.posargs, external=True)
