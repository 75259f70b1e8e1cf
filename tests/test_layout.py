"""The shape of the tree, checked by reading it: mirror, layers, doors, sizes, names, packages.

A new module needs a line in ``LAYERS``; everything else follows from where it stands.
"""

import ast
import builtins
import configparser
import importlib
import re
import subprocess
import sys
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("twgw", "plugins")
MODULES = sorted(path.relative_to(ROOT).as_posix() for name in FOLDERS for path in (ROOT / name).rglob("*.py"))
POLICIES = [path for path in MODULES if path.startswith("plugins/") and not path.endswith("__init__.py")]
INITS = [path for path in MODULES if path.endswith("__init__.py")]

LAYERS = {
    # nouns: standard library and attrs
    0: """__init__ database_url faults listen model registry schema settings
          policy/{__init__,basic,bearer,edits,exchange,headers,interfaces}""",
    # pure: time and world come as arguments
    1: """allowed_upstreams cache credentials demo difference document entries environment files ijson issuer jwt
          key_import later logins metrics newfile passwords reader secret_files toml_edit
          admin/{__init__,status}
          cluster/{__init__,authority,clocks,completion,counting,digests,encoding,grants,lease,messages,overview}
          cluster/{attendance,refusals,removals,reports,rollcall,settings,turns}
          directory/{__init__,availability,groups,login,names,settings,store,stores,wso2}
          gateway/{__init__,balancer,blocks,chunked,deadlines,echo,forwarding,health,http1,problems,routing,running}
          gateway/{settings,stale}
          keymanager/{__init__,client,form,jwks,metadata,parties,scopes,settings,tokens}
          publisher/{__init__,lifecycle,openapi,openapi_document,versions}
          store/{__init__,catalog,subscriptions}
          throttle/{__init__,accounts,asking,bucket_account,callers,fields,fixed_account,going_on,kept,limiter,local}
          throttle/{numbers,others,presets,reservation,servers,settings,shared,sliding_account,tables,tiers}
          web/{__init__,asking,names,openapi,people,permissions,rate,refusals,settings,transaction,view}
          workers/{__init__,balance,lines,sums}""",
    # hooks
    2: "policy/{chain,hookspecs,manual,registry} gateway/{compiling,deployment,guard,pipeline,postponed}",
    # doors: each with its one library, Twisted foremost
    3: """clock config ldap log memcached state threads storage/*
          cluster/{commands,factory,here,outcomes,outlet,protocol,tls}
          gateway/{caller,certificates,client,edge,fleet,network,relay,transport,upstream}
          web/{application,channel,lent,listener,resource}""",
    # roles
    4: """admin/{blocks,endpoints,nodes,policies,records,rest,tiers,users}
          cluster/{answers,carrying,drift,handover,joining,links,membership,mesh,preparing,remote,renewing}
          cluster/{rounds,service}
          gateway/{follower,lookup,redeploy,registry,service,streams}
          keymanager/{endpoints,grants,introspection,pages,revocation,server,service}
          publisher/{apis,documents,moves,rest,revisions,serving,subscribers}
          store/{applications,clients,keys,offers,rest}
          web/login
          workers/{children,handed,reserving}""",
    # the test kit and the check: everything below the whole
    5: """checking control keeping key_cache memory memory_* readings shared_limits startup startup_* testing
          admin/service""",
    # the whole
    6: "options tap worker cli cli_*",
}
HOOKS, DOORS, ROLES = 2, 3, 4

LIBRARIES = {
    "alembic": ["twgw/storage/upgrade.py", "twgw/storage/migrations/*"],
    "argon2": ["twgw/passwords.py"],
    "attr": ["*"],
    "attrs": ["*"],
    "authlib": ["twgw/keymanager/*"],
    "cattrs": ["twgw/settings.py"],
    "cryptography": ["twgw/cluster/authority.py"],
    "click": ["twgw/cli.py", "twgw/cli_*.py"],
    "defusedxml": ["twgw/directory/wso2.py"],
    "flask": ["twgw/web/application.py", "twgw/*/endpoints.py", "twgw/keymanager/{pages,service}.py",
              "twgw/web/login.py"],
    "joserfc": ["twgw/jwt.py"],
    "ldap3": ["twgw/ldap.py"],
    "jsonschema_rs": ["twgw/publisher/openapi_document.py"],
    "openapi_spec_validator": ["twgw/publisher/openapi_document.py"],
    "pluggy": ["twgw/__init__.py", "twgw/policy/*"],
    "prometheus_client": ["twgw/metrics.py", "twgw/readings.py", "twgw/admin/endpoints.py", "twgw/tap.py",
                          "twgw/workers/sums.py", "twgw/startup_workers.py"],
    "psycopg": ["twgw/storage/vendors.py"],
    "pymemcache": ["twgw/memcached.py"],
    "pymysql": ["twgw/storage/vendors.py"],
    "rich": ["twgw/cli.py", "twgw/cli_*.py"],
    "sqlalchemy": ["twgw/storage/*",  # outside of it: a connection's name
                   "twgw/{admin,publisher,store}/*", "twgw/web/login.py"],
    "treq": ["twgw/gateway/client.py"],
    "twisted": ["twgw/gateway/running.py"],  # it tells a Deferred from the rest, and opens nothing
    "werkzeug": ["twgw/web/application.py"],
    "yaml": ["twgw/document.py"],
}
"""Outside libraries and the files that may import them.  Twisted, zope and OpenSSL: layers 3 and up."""

NETWORK = {"twisted", "zope", "OpenSSL"}

UNTESTED = {
    "twgw/policy/hookspecs.py": "signatures and prose: docs/generate.py fails on what is undocumented",
    "twgw/reader.py": "a protocol and its nouns: tested by what implements it in storage/ and cluster/",
    "twgw/registry.py": "nouns without behaviour: tested by what makes them in storage/",
    "twgw/storage/migrations/env.py": "run by Alembic: tests/storage/test_upgrade.py",
    "twgw/storage/migrations/versions/v0001_registry.py": "run by Alembic: tests/storage/test_upgrade.py",
    "twgw/storage/migrations/versions/v0002_cluster.py": "run by Alembic: tests/storage/test_upgrade.py",
    "twgw/storage/migrations/versions/v0003_groups.py": "run by Alembic: tests/storage/test_upgrade.py",
    "twgw/storage/migrations/versions/v0004_counting.py": "run by Alembic: tests/storage/test_upgrade.py",
    "twgw/storage/migrations/versions/v0005_reports.py": "run by Alembic: tests/storage/test_upgrade.py",
    "twgw/storage/migrations/versions/v0006_counted.py": "run by Alembic: tests/storage/test_upgrade.py",
    "twgw/storage/migrations/versions/v0007_addresses.py": "run by Alembic: tests/storage/test_upgrade.py",
    "twgw/storage/migrations/versions/v0008_removed_nodes.py": "run by Alembic: tests/storage/test_upgrade.py",
    "twgw/cluster/messages.py": "values without behaviour: tested by who sends and takes them",
    "twgw/policy/interfaces.py": "protocols: tested by what implements them",
    "twgw/throttle/asking.py": "nouns without behaviour: tested by the accounts that take and give them",
}

LONG = {
    "twgw/model.py": "all nouns of the configuration on one page: what refers to what is seen at a glance",
    "twgw/gateway/edge.py": "one state machine: what a client's connection does in each state belongs on one page",
    "twgw/gateway/http1.py": "one law over both heads: what is accepted has one meaning",
    "twgw/gateway/upstream.py": "one state machine: what an upstream's connection does in each state",
    "twgw/cluster/membership.py": "one order of events: what session, lease and waits mean to each other",
    "twgw/gateway/deployment.py": "one way from what is declared to what serves requests",
    "twgw/gateway/follower.py": "one order of events: what is applied, tried, in force and told",
}
"""Modules over 400 lines, with the reason why there is only one reason for them to exist."""

HEIRS = {
    "twgw/memory.py:Connection": "a wire that can also read answers",
    "twgw/gateway/transport.py:EagerClient": "the mixin that makes Twisted's two transports send at once",
    "twgw/gateway/transport.py:EagerServer": "the same",
}
"""``path:Class`` that inherits from a class of ours, with the reason; exceptions need none."""

JUNK_DRAWERS = {
    *("base", "common", "component", "engine", "handler", "helper", "helpers"),
    *("manager", "misc", "processor", "util", "utils"),
}


@cache
def tree(path):
    return ast.parse((ROOT / path).read_text(), path)


def expand(pattern):
    """``a/{b,c}`` as ``a/b`` and ``a/c``."""
    before, brace, rest = pattern.partition("{")
    inside, _, after = rest.partition("}")
    return [before + word + after for word in inside.split(",")] if brace else [pattern]


def layers_of(path):
    """The layers in which a file of twgw/ is listed; it should be one."""
    name = path.removeprefix("twgw/").removesuffix(".py")
    places = [(layer, place) for layer, words in LAYERS.items() for word in words.split() for place in expand(word)]
    return [layer for layer, place in places if fnmatch(name, place)]


def layer(path):
    """The layer of a file of twgw/."""
    assert 1 == len(layers_of(path)), f"give {path} a place in LAYERS"
    return layers_of(path)[0]


def dotted(path):
    """``twgw/policy/chain.py`` as ``twgw.policy.chain``; plugins under the name they are installed by."""
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return name.replace("plugins", "twgw_plugins", 1) if name.startswith("plugins") else name


PATHS = {dotted(path): path for path in MODULES}


def is_for_typing(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def statements(node):
    """Everything that is run of a module: what stands under ``if TYPE_CHECKING`` is not."""
    for child in ast.iter_child_nodes(node):
        if not is_for_typing(child):
            yield child
            yield from statements(child)


def imported(path):
    """The dotted names a file imports; ours as the module they are found in."""
    for node in statements(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in PATHS else node.module


def ours(path):
    """The files of ours that a file imports."""
    return {PATHS[name] for name in imported(path) if name in PATHS}


def libraries(path):
    """The top-level names of outside libraries that a file imports."""
    return {name.partition(".")[0] for name in imported(path)} - sys.stdlib_module_names - {"twgw", "twgw_plugins"}


def folder(path):
    return path.rpartition("/")[0]


def is_allowed(importer, target):
    """Whether the layers let one file of twgw/ import another."""
    own, other = layer(importer), layer(target)
    siblings = folder(importer) == folder(target) != "twgw"
    if own == DOORS:
        return other < DOORS or (other == DOORS and siblings)
    if own == ROLES:
        return other < ROLES or (other == ROLES and siblings)
    return other <= own


def repository_files():
    """Every file of the checkout that .gitignore does not name."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split() if not line.startswith("#")]

    def walk(place):
        for path in place.iterdir():
            if path.name == ".git" or any(fnmatch(path.name, pattern) for pattern in ignored):
                continue
            if path.is_dir():
                yield from walk(path)
            else:
                yield path

    return sorted(walk(ROOT))


def python_files():
    """Every Python file of the checkout, as a path from its root."""
    return [path.relative_to(ROOT).as_posix() for path in repository_files() if path.suffix == ".py"]


def setup_cfg():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


# --- mirror ---


@pytest.mark.parametrize("path", [path for path in MODULES if path not in INITS and path not in UNTESTED])
def test_every_module_has_its_test(path):
    """What is in twgw/ and plugins/ has a test module at the same place under tests/."""
    place = path.removeprefix("twgw/").rpartition("/")

    assert (ROOT / "tests" / place[0] / f"test_{place[2]}").is_file()


def test_exceptions_are_still_needed():
    """A name on a list of exceptions is that of a file, or class, that still needs the exception."""
    assert [] == [path for path in UNTESTED if not (ROOT / path).exists()]
    assert [] == [path for path in LONG if len((ROOT / path).read_text().splitlines()) <= 400]
    assert [] == [heir for heir in HEIRS if heir not in heirs()]


# --- layers ---


@pytest.mark.parametrize("path", [path for path in MODULES if path.startswith("twgw/")])
def test_every_module_stands_in_one_layer(path):
    """A file of twgw/ is listed once in LAYERS, and imports only what its layer may."""
    assert [] == sorted(target for target in ours(path) if not is_allowed(path, target))


def test_imports_go_round_in_no_circle():
    """No file imports, through whatever others, itself."""
    edges = {path: ours(path) - {path} for path in MODULES}
    while leaves := [path for path, targets in edges.items() if not targets]:
        edges = {path: targets.difference(leaves) for path, targets in edges.items() if path not in leaves}

    assert {} == edges


@pytest.mark.parametrize("path", [path for path in MODULES if path.startswith("twgw/")])
def test_each_library_has_its_door(path):
    """An outside library is imported by its own files alone; the network begins at the doors."""
    doors = {name: [each for pattern in files for each in expand(pattern)] for name, files in LIBRARIES.items()}
    allowed = {name for name, files in doors.items() if any(fnmatch(path, file) for file in files)}
    if layer(path) >= DOORS:
        allowed |= NETWORK

    assert set() == libraries(path) - allowed


def test_every_dependency_is_used():
    """What setup.cfg requires is imported, and what is imported is required."""
    lines = setup_cfg()["options"]["install_requires"].strip().splitlines()
    required = {line.split()[0].partition("[")[0] for line in lines}
    names = {
        "Authlib": "authlib", "Flask": "flask", "PyMySQL": "pymysql", "PyYAML": "yaml", "SQLAlchemy": "sqlalchemy",
        "Twisted": "twisted", "argon2-cffi": "argon2", "jsonschema-rs": "jsonschema_rs",
        "openapi-spec-validator": "openapi_spec_validator",
    }  # fmt: skip
    used = {name for path in MODULES for name in libraries(path)} - {"attr", "zope", "OpenSSL", "werkzeug"}

    assert sorted(used) == sorted(names.get(name, name) for name in required)


@pytest.mark.parametrize("path", POLICIES)
def test_a_policy_imports_no_more_than_a_stranger_may(path):
    """A policy imports the standard library, attrs, twgw.policy and pure parts: no door, no Twisted, no policy."""
    assert set() == libraries(path) - {"attr", "attrs"}
    assert [] == sorted(target for target in ours(path) if target in POLICIES or layers_of(target)[0] >= 2)


# --- names, sizes, docstrings ---


@pytest.mark.parametrize("path", MODULES)
def test_no_module_is_a_junk_drawer(path):
    """A module is named by what it does; words under which everything fits are not used."""
    assert set() == {word for part in Path(path).with_suffix("").parts for word in part.split("_")} & JUNK_DRAWERS


@pytest.mark.parametrize("path", [path for path in MODULES if path not in LONG])
def test_no_module_is_long(path):
    """Past 400 lines a module has two reasons to exist, or a reason on the list."""
    assert len((ROOT / path).read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", python_files())
def test_every_module_says_why_it_exists(path):
    """Every Python file begins with a docstring of at least a few words."""
    assert len((ast.get_docstring(tree(path)) or "").split()) >= 3


@pytest.mark.parametrize("path", [path for path in python_files() if Path(path).name.startswith("test_")])
def test_every_test_states_a_behaviour(path):
    """A test has a docstring: what holds, as a statement."""
    tests = [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert [] == [node.name for node in tests if node.name.startswith("test_") and not ast.get_docstring(node)]


@pytest.mark.parametrize("path", INITS)
def test_an_init_has_no_logic(path):
    """A package's own file has a docstring, imports and constants."""
    kinds = ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign

    assert [] == [
        ast.unparse(node)
        for node in tree(path).body
        if not isinstance(node, kinds) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


# --- inheritance ---


def classes():
    """Every class of ours: (file, name) to the bases it names, each as (file, name), or as a bare name of another's."""
    found = {}
    for path in MODULES:
        nodes = list(statements(tree(path)))
        own = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
        imports = {
            alias.asname or alias.name: (PATHS[node.module], alias.name)
            for node in nodes if isinstance(node, ast.ImportFrom) and node.module in PATHS
            for alias in node.names
        }
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                words = [ast.unparse(base).rpartition(".")[2].partition("[")[0] for base in node.bases]
                others = own - {node.name}  # a class named as its base is another's: class Clock(task.Clock)
                found[path, node.name] = [(path, word) if word in others else imports.get(word, word) for word in words]
    return found


def heirs():
    """``path:Class`` of all that inherit from a class of ours and are no exceptions."""
    known = classes()

    def is_exception(name, seen=()):
        if name in known:
            return name not in seen and any(is_exception(base, (*seen, name)) for base in known[name])
        builtin = getattr(builtins, name, None) if isinstance(name, str) else None
        return isinstance(builtin, type) and issubclass(builtin, BaseException)

    return {
        f"{path}:{name}"
        for (path, name), bases in known.items()
        if any(isinstance(base, tuple) for base in bases) and not is_exception((path, name))
    }


def test_no_class_inherits_from_a_class_of_ours():
    """Parts are put together, not derived from each other; exceptions are, and what HEIRS gives a reason for."""
    assert [] == sorted(heirs() - HEIRS.keys())


# --- packages and files beside the code ---


def test_twisted_is_not_shadowed():
    """There is no __init__.py under twisted/, or Twisted itself would not be found any more."""
    assert [ROOT / "twisted/plugins/twgw_dropin.py"] == sorted((ROOT / "twisted").rglob("*.py"))


def test_the_wheel_has_every_package():
    """setup.cfg lists every folder of Python files, and the drop-in of Twisted."""
    options = setup_cfg()["options"]

    assert sorted(dotted(path) for path in INITS) == sorted(options["packages"].split())
    assert {folder(path) for path in MODULES} == {folder(path) for path in INITS}
    assert ["twisted.plugins.twgw_dropin"] == options["py_modules"].split()


def test_every_policy_has_its_entry_point():
    """A bundled policy is found as a stranger's is: by an entry point, named as its file with dashes."""
    lines = setup_cfg()["options.entry_points"]["twgw"].strip().splitlines()
    named = {name.strip(): module.strip() for name, module in (line.split("=") for line in lines)}

    assert {Path(path).stem.replace("_", "-"): dotted(path) for path in POLICIES} == named


def test_the_configuration_file_is_the_code():
    """etc/twgw.toml shows every setting at the default that the code has."""
    from twgw.config import render_default

    assert render_default() == (ROOT / "etc/twgw.toml").read_text()


def test_measurements_find_what_they_import():
    """The scripts of bench/ are run by hand: what they take of the gateway is there when somebody does."""
    texts = {path.name: path.read_text() for path in (ROOT / "bench").iterdir() if path.is_file()}
    taken = {
        (name, node.module, alias.name)
        for name, text in texts.items() if name.endswith(".py") or "python" in text.partition("\n")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("twgw")
        for alias in node.names
    }  # fmt: skip

    assert ("loop", "twgw.tap", "Node") in taken
    assert [] == [
        (script, module, name) for script, module, name in sorted(taken)
        if f"{module}.{name}" not in PATHS and not hasattr(importlib.import_module(module), name)
    ]  # fmt: skip


def test_what_make_calls_is_there():
    """Every script that the Makefile names exists, so no target is an empty promise."""
    words = (ROOT / "Makefile").read_text().split()
    named = {word for word in words if word.startswith(("bench/", "docs/", "tests/"))}
    scripts = {word for word in named if Path(word).suffix in {"", ".py"}}

    assert {"bench/run", "docs/generate.py", "tests/fuzz/run.py", "tests/soak/run.py"} <= scripts
    assert [] == sorted(script for script in scripts if not (ROOT / script).is_file())


@pytest.mark.parametrize(
    ("target", "arguments"), re.findall(r'^(\w+):.*?ARGS="([^"]*)"', (ROOT / "Makefile").read_text(), re.MULTILINE)
)
def test_what_make_says_of_arguments_is_taken(target, arguments):
    """The arguments that ``make help`` shows are known to the script that gets them."""
    recipe = rf"^{target}:.*\n\t@(?:exec )?\.venv/bin/python (?:-m )?(\S+)"
    script = re.search(recipe, (ROOT / "Makefile").read_text(), re.MULTILINE)
    command = [sys.executable, *(["-m"] if script[1] == "pytest" else []), script[1], "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert [] == [word for word in arguments.split() if word.startswith("-") and f"{word} " not in told]


def test_no_test_is_left_out():
    """No test is skipped or expected to fail: what is there runs."""
    marks = [f"pytest.{word}" for word in ("skip", "xfail", "importorskip", "mark.skip", "mark.xfail")]

    assert [] == [
        f"{path}: {mark}"
        for path in python_files() if path != "tests/test_layout.py"
        for mark in marks if mark in (ROOT / path).read_text()
    ]


def test_nothing_outside_the_checkout_is_named():
    """A file names no place that only its author has."""
    places = [f"/{word}/" for word in ("work", "shared")]

    assert [] == [
        f"{path.relative_to(ROOT)}: {place}"
        for path in repository_files()
        for place in places if place.encode() in path.read_bytes()
    ]
