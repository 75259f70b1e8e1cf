"""Tests of twgw.state."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.credentials import Pepper, digest, mint
from twgw.faults import Fault, InvalidFileError
from twgw.model import Lifecycle, Policy, Route, State
from twgw.state import check, load_state, parse_state

EXAMPLE = Path(__file__).parent.parent / "etc" / "examples" / "apis.yaml"
DIGEST = digest(Pepper("v1", b"p" * 32), "a key")
API = "{name: orders, version: '1.0', base_path: /orders"


def errors_of(text):
    """What is said of a bad file."""
    with pytest.raises(InvalidFileError) as caught:
        parse_state(text, "apis.yaml")
    return list(caught.value.lines)


def with_api(extra):
    """A file of one API with something more."""
    return f"apis:\n  - {API}, {extra}}}\n"


def with_credentials(*credentials):
    """A file of one application with these credentials."""
    return "applications:\n  - name: shop\n    credentials:\n" + "".join(f"      - {one}\n" for one in credentials)


def test_example_loads():
    """The example of the documentation is a valid state."""
    state = load_state(EXAMPLE).state

    assert ["orders:1.0", "public:2.1", "status:1.0"] == [api.id for api in state.apis]
    assert ["Gold", "Burst", "Unlimited"] == [tier.name for tier in state.tiers]
    assert [2, 1] == [target.weight for target in reversed(state.apis[0].upstream.targets)]
    assert Policy("rate-limit", {"amount": 1000, "period": 1, "by": "client"}) == state.apis[1].policies[0]
    assert state.apis[1].routes == (Route(),)
    credential = state.applications[0].credentials[0]
    assert ("api-key", "shop#1", "shop", "dev-only-shop-key") == (
        credential.kind, credential.id, credential.application, credential.value,
    )


def test_little_is_needed():
    """An API is published, its routes are all paths, its policies none, unless it says otherwise."""
    api = parse_state(with_api("routes: []"), "apis.yaml").state.apis[0]

    assert (Lifecycle.PUBLISHED, (Route("/*"),), ()) == (api.state, api.routes, api.policies)


def test_state_of_nothing_is_valid():
    """A file may declare that there is nothing, but not by being empty."""
    assert State() == parse_state("apis: []", "apis.yaml").state
    assert ["apis.yaml: is empty"] == errors_of("")


def test_faults_have_file_line_and_path():
    """What is wrong in form is said with its place, in the order of the lines."""
    assert [
        "apis.yaml:4: apis[0].base_pth: unknown; did you mean base_path?",
        "apis.yaml:8: apis[0].upstream.targets[1].weight: must be > 0",
    ] == errors_of(
        "apis:\n  - name: a\n    version: '1'\n    base_pth: /a\n    upstream:\n      targets:\n"
        "        - url: 'http://a'\n        - {url: 'http://b', weight: 0}\n"
    )


def test_place_of_a_policy_setting_can_be_asked():
    """Who compiles the policies gives the lines of what they refuse."""
    source = load_state(EXAMPLE).source

    assert source.locate(Fault("apis[1].policies[0].settings.amount", "must be > 0")).endswith(
        "etc/examples/apis.yaml:37: apis[1].policies[0].settings.amount: must be > 0"
    )


@pytest.mark.parametrize(
    ("extra", "error"),
    [
        ("hosts: [API.example]", "hosts[0]: must be a host name in lower case, or *. and one, without a port"),
        ("hosts: ['*']", "hosts[0]: must be a host name in lower case, or *. and one, without a port"),
        ("hosts: ['a:80']", "hosts[0]: must be a host name in lower case, or *. and one, without a port"),
        ("hosts: ['a..b']", "hosts[0]: must be a host name in lower case, or *. and one, without a port"),
        ("tiers: [Gld]", "tiers[0]: unknown tier Gld"),
        ("routes: [{path: users}]", "routes[0].path: must start with /"),
        ("routes: [{path: /a//b}]", "routes[0].path: must not contain //"),
        ("routes: [{path: '/*/b'}]", "routes[0].path: may have * only as its last segment"),
        ("routes: [{path: '/a*'}]", "routes[0].path: must have * as a whole segment, the last one"),
        (
            "routes: [{path: '/a{id}'}]",
            "routes[0].path: must have a {name} as a whole segment, of letters, digits and _",
        ),
        ("routes: [{path: '/{a}/{a}'}]", "routes[0].path: names a parameter twice"),
        ("routes: [{path: '/a%2Fb'}]", "routes[0].path: must not contain '%'"),
        ("routes: [{path: '/a/../b'}]", "routes[0].path: must not contain the segment .."),
        ("routes: [{methods: [get]}]", "routes[0].methods[0]: unknown method get; did you mean GET?"),
        ("routes: [{methods: [TRACE]}]", "routes[0].methods[0]: unknown method TRACE"),
        (
            "routes: [{path: '/{a}', methods: [GET]}, {path: '/{b}', methods: [PUT, GET]}]",
            "routes[1]: GET /{b} stands twice; first at apis[0].routes[0]",
        ),
    ],
)
def test_forms_of_an_api_are_checked(extra, error):
    """A host, route, method or tier that could never match is refused."""
    found = errors_of(with_api(extra))

    assert 1 == len(found)
    assert found[0].startswith(f"apis.yaml:2: apis[0].{error}")


@pytest.mark.parametrize(
    ("apis", "error"),
    [
        (["a 1 /a/1 true"], ""),
        (["a 1 /a/1 true", "a 2 /a/2 false", "b 1 /b false"], ""),
        (["a 1 /a true"], "apis[0].default_version: needs a base_path of which one segment is 1"),
        (
            ["a 1 /a/1 true", "a 2 /b/2 true"],
            "apis[1].default_version: a default version of a stands twice; first at apis[0].default_version",
        ),
        (["a 1 /a/1 true", "b 1 /a false"], "apis[0].default_version: would be found at /a, where b:1 is"),
        (["a 1 /a/1 true", "b 2 /a/2 true"], "apis[1].default_version: would be found at /a, where a:1 is"),
    ],
)
def test_a_default_version_has_its_place(apis, error):
    """One version of an API is found without its version, at a path where nothing else is."""
    text = "apis:\n"
    for api in apis:
        name, version, base_path, default = api.split()
        text += f"  - {{name: {name}, version: '{version}', base_path: {base_path}, default_version: {default}}}\n"

    found = errors_of(text) if error else list(check(parse_state(text, "apis.yaml").state))

    assert [error] * bool(error) == [str(each).partition(": ")[2] for each in found]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (with_api("tier: Gld"), "2: apis[0].tier: unknown tier Gld"),
        (with_api("routes: [{tier: Gld}]"), "2: apis[0].routes[0].tier: unknown tier Gld"),
        (with_api("hard_limit: {amount: 1, unit: bytes}"), "2: apis[0].hard_limit.unit: must be requests"),
        (with_api("hard_limit: {amount: 1, burst: 2}"), "2: apis[0].hard_limit.burst: is only for algorithm"),
        (with_api("sandbox: {targets: [{url: 'ftp://a'}]}"), "2: apis[0].sandbox.targets[0].url: must be http://host:"),
        ("applications: [{name: a, tier: Gld}]", "1: applications[0].tier: unknown tier Gld"),
        (with_credentials("{value: long-enough, tier: a}"), "4: applications[0].credentials[0].tier: must be left out"),
        ("tiers: [{name: a, burst: {amount: 1, burst: 2}}]", "1: tiers[0].burst.burst: is only for algorithm"),
    ],
)
def test_limits_of_every_level_are_checked(text, error):
    """Tiers that are not there, and limits that would count what cannot be counted."""
    assert [f"apis.yaml:{error}"] == [line[: len(error) + 10] for line in errors_of(text)]


def test_presets_are_tiers_of_their_own():
    """They come before those of the file, which may take their names."""
    text = "tier_presets: [wso2-1.x]\ntiers: [{name: Gold, limits: [{amount: 7}]}, {name: Mine}]\n"
    state = parse_state(text + with_api("tiers: [Bronze, Gold]"), "apis.yaml").state
    tiers = {tier.name: tier for tier in state.tiers}

    assert (7, 1) == (tiers["Gold"].limits[0].amount, tiers["Bronze"].limits[0].amount)
    assert ("Gold", "Mine") == tuple(tiers)[-2:]
    assert () == state.tier_presets
    assert len(tiers) == len(state.tiers)


def test_an_api_does_not_end_before_it_is_deprecated():
    """RFC 9745, 4: the sunset is not before the deprecation."""
    assert ["apis.yaml:2: apis[0].deprecation.sunset: must not be before since (RFC 9745)"] == errors_of(
        with_api("deprecation: {since: 2, sunset: 1}")
    )


@pytest.mark.parametrize("path", ["/*", "/", "/users/{id}", "/a/{b}/*", "/a-b.c_d~e", "/a;v=1", "/users/"])
def test_paths_of_routes(path):
    """Segments, parameters and a star at the end make a route."""
    assert parse_state(with_api(f"routes: [{{path: '{path}'}}]"), "apis.yaml").state.apis[0].routes == (Route(path),)


@pytest.mark.parametrize("host", ["example.com", "*.example.com", "localhost", "127.0.0.1", "[::1]", "a_b.c"])
def test_hosts(host):
    """A host is a name, a wildcard of a name, or an address."""
    assert parse_state(with_api(f"hosts: ['{host}']"), "apis.yaml").state.apis[0].hosts == (host,)


@pytest.mark.parametrize(
    ("base_path", "problem"),
    [
        ("orders", "must start with /"),
        ("/a//b", "must not contain //"),
        ("//", "must not contain //"),
        ("/a/../b", "must not contain the segment .."),
        ("/a/..;x/b", "must not contain the segment ..;x"),
        ("/.", "must not contain the segment ."),
        ("/a%20b", "must not contain '%'"),
        ("/a b", "must not contain ' '"),
        ("/a?b", "must not contain '?'"),
        ("/a/*", "must not contain '*'"),
        ("/{a}", "must not contain '{'"),
        ("/ä", "must not contain 'ä'"),
    ],
)
def test_base_path_is_canonical(base_path, problem):
    """A base path is written in the one form that requests are brought to."""
    text = f"apis:\n  - {{name: a, version: '1', base_path: '{base_path}'}}\n"

    assert [f"apis.yaml:2: apis[0].base_path: {problem}"] == errors_of(text)


@given(st.text(max_size=12))
def test_accepted_base_path_has_no_second_reading(text):
    """Whatever is accepted has no dots, escapes, blanks or doubled slashes to be read otherwise."""
    path = "/" + text
    try:
        written = path.replace("\\", "\\\\").replace('"', '\\"')
        parse_state(f'apis:\n  - {{name: a, version: "1", base_path: "{written}"}}\n', "a")
    except InvalidFileError:
        return

    assert path.isascii()
    assert path.isprintable()
    assert not set(path) & set('%?#\\ *{}"<>|^`')
    assert "//" not in path
    assert not {".", ".."} & {segment.split(";")[0] for segment in path.split("/")}


def test_names_are_unique():
    """An API, a tier, an application and a path of a host can be there once."""
    assert [
        "apis.yaml:3: tiers[1].name: tier Gold stands twice; first at tiers[0].name",
        "apis.yaml:6: apis[1]: a:1 stands twice; first at apis[0]",
        "apis.yaml:6: apis[1].base_path: /a/ on any host stands twice; first at apis[0].base_path",
        "apis.yaml:8: apis[3].base_path: /a on x.example stands twice; first at apis[2].base_path",
        "apis.yaml:11: applications[1].name: application shop stands twice; first at applications[0].name",
    ] == errors_of(
        "tiers:\n  - {name: Gold}\n  - {name: Gold}\n"
        "apis:\n  - {name: a, version: '1', base_path: /a}\n  - {name: a, version: '1', base_path: /a/}\n"
        "  - {name: b, version: '1', base_path: /a, hosts: [x.example, y.example]}\n"
        "  - {name: c, version: '1', base_path: /a, hosts: [x.example]}\n"
        "applications:\n  - {name: shop}\n  - {name: shop}\n"
    )


def test_names_have_a_form():
    """A name can stand in a log, a metric and an id."""
    assert [
        "apis.yaml:1: tiers[0].name: must be 1 to 100 printable characters, without blanks around them",
        "apis.yaml:2: apis[0].name: must be letters, digits, '.', '_' and '-', at most 100, no sign first",
        "apis.yaml:2: apis[0].version: must be letters, digits, '.', '_' and '-', at most 100, no sign first",
        "apis.yaml:3: applications[0].name: must be 1 to 100 printable characters, without blanks around them",
    ] == errors_of(
        'tiers: [{name: " x"}]\napis: [{name: "a:b", version: "", base_path: /a}]\napplications: [{name: "a\\nb"}]\n'
    )


def test_burst_belongs_to_the_token_bucket():
    """A burst that no algorithm would look at is refused."""
    assert ["apis.yaml:1: tiers[0].limits[0].burst: is only for algorithm: token-bucket"] == errors_of(
        "tiers: [{name: Gold, limits: [{amount: 1, burst: 2}]}]"
    )


def test_subscriptions_name_what_exists():
    """A subscription is to an API that is there, in a tier that is there and that the API offers."""
    assert [
        "apis.yaml:5: applications[0].subscriptions[0].tier: missing; a:1 has Gold",
        "apis.yaml:6: applications[0].subscriptions[1].api: a subscription to a:1 stands twice; "
        "first at applications[0].subscriptions[0].api",
        "apis.yaml:6: applications[0].subscriptions[1].tier: a:1 has no tier Silver; known: Gold",
        "apis.yaml:7: applications[0].subscriptions[2].api: unknown API b:2; did you mean b:1?",
        "apis.yaml:8: applications[0].subscriptions[3].tier: unknown tier Slver; did you mean Silver?",
    ] == errors_of(
        "tiers: [{name: Gold}, {name: Silver}]\n"
        "apis: [{name: a, version: '1', base_path: /a, tiers: [Gold]}, {name: b, version: '1', base_path: /b}]\n"
        "applications:\n  - name: shop\n    subscriptions: [{api: 'a:1'},\n      {api: 'a:1', tier: Silver},\n"
        "      {api: 'b:2', tier: Gold},\n      {api: 'b:1', tier: Slver}]\n"
    )


def test_api_without_tiers_takes_any():
    """Where the API names no tiers, a subscription may have any, or none."""
    text = (
        "tiers: [{name: Gold}]\napis: [{name: a, version: '1', base_path: /a}]\n"
        "applications: [{name: x, subscriptions: [{api: 'a:1'}]}, {name: y, subscriptions: [{api: 'a:1', tier: Gold}]}]"
    )

    assert [None, "Gold"] == [one.subscriptions[0].tier for one in parse_state(text, "a").state.applications]


KEY = mint()


@pytest.mark.parametrize(
    ("credential", "error"),
    [
        ("{}", ": must have either a value or a digest"),
        (f"{{value: 12345678x, digest: '{DIGEST}'}}", ": must have either a value or a digest"),
        ("{kind: api-ky, value: 12345678x}", ".kind: unknown kind api-ky; did you mean api-key?"),
        ("{value: short}", ".value: must be 8 or more printable ASCII characters, no blanks around"),
        ("{value: ' 1234567'}", ".value: must be 8 or more printable ASCII characters, no blanks around"),
        ('{value: "1234567\\n8"}', ".value: must be 8 or more printable ASCII characters, no blanks around"),
        ("{value: 12345678ä}", ".value: must be 8 or more printable ASCII characters, no blanks around"),
        (f"{{value: {KEY[:-1]}}}", ".value: starts like a key of twgw but was not copied whole"),
        ("{digest: 'v1:abc'}", ".digest: must be v1: and 64 hex digits, as `twgw key new` prints it"),
        ("{value: 12345678x, application: other}", ".application: must be left out: it is the application around it"),
    ],
)
def test_credentials_are_checked(credential, error):
    """A credential that could never be used, or is not whole, is refused; its secret is not shown."""
    assert [f"apis.yaml:4: applications[0].credentials[0]{error}"] == errors_of(with_credentials(credential))


STORED = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzYWx0$" + "A" * 43


@pytest.mark.parametrize(
    ("credential", "error"),
    [
        (f"{{kind: basic, digest: '{STORED}'}}",
         ".user: must be a name of 1 to 100 printable characters without a colon"),
        (f"{{kind: basic, user: 'a:b', digest: '{STORED}'}}",
         ".user: must be a name of 1 to 100 printable characters without a colon"),
        ("{kind: basic, user: a, value: canary-12}",
         ".value: must be left out: write a digest, as `twgw key password` prints it"),
        ("{kind: basic, user: a}", ".digest: must be $argon2id$…, as `twgw key password` prints it"),
        (f"{{kind: basic, user: a, digest: '{DIGEST}'}}",
         ".digest: must be $argon2id$…, as `twgw key password` prints it"),
        ("{value: 12345678x, groups: [' a']}",
         ".groups[0]: must be 1 to 100 printable characters, without blanks around them"),
    ],
)  # fmt: skip
def test_names_and_passwords_are_checked(credential, error):
    """A password stands in no file, and what is stored of it is made by argon2id."""
    assert [f"apis.yaml:4: applications[0].credentials[0]{error}"] == errors_of(with_credentials(credential))


def test_a_user_name_is_that_of_one_credential():
    """Its id in logs unless it has another one."""
    one = f"{{kind: basic, user: alice, digest: '{STORED}'}}"
    (credential,) = parse_state(with_credentials(one), "apis.yaml").state.applications[0].credentials
    assert "alice" == credential.id

    other = one.replace("AAA'", "AAB'").replace("kind", "id: other, kind")
    assert any("user alice stands twice" in error for error in errors_of(with_credentials(one, other)))


def test_credentials_of_every_form_load():
    """A plain value, a minted key and a digest are credentials; each has an id that may be logged."""
    text = with_credentials("{value: dev only key}", f"{{value: {KEY}}}", f"{{digest: '{DIGEST}', id: first}}")
    application = parse_state(text, "apis.yaml").state.applications[0]

    assert ["shop#1", KEY.split("_")[2], "first"] == [one.id for one in application.credentials]


def test_credential_belongs_to_one_application():
    """The same key, digest or id in two places is refused, and the key is not shown."""
    assert [
        "apis.yaml:1: applications[1].credentials[0].id: x stands twice; first at applications[0].credentials[0].id",
        "apis.yaml:1: applications[1].credentials[0].value: the same credential stands twice; "
        "first at applications[0].credentials[0].value",
        "apis.yaml:1: applications[1].credentials[1].digest: the same credential stands twice; "
        "first at applications[0].credentials[1].digest",
    ] == errors_of(
        f"applications: [{{name: a, credentials: [{{value: the-same-key, id: x}}, {{digest: '{DIGEST}'}}]}}, "
        f"{{name: b, credentials: [{{value: the-same-key, id: x}}, {{digest: '{DIGEST}'}}]}}]"
    )


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://a", "must be http://host:port/path, https://host:port/path or echo:"),
        ("http://", "must be http://host:port/path, https://host:port/path or echo:"),
        ("http:///a", "must be http://host:port/path, https://host:port/path or echo:"),
        ("http://a b", "must be http://host:port/path, https://host:port/path or echo:"),
        ("http://[::g]", "must be http://host:port/path, https://host:port/path or echo:"),
        ("http://a:b", "must be http://host:port/path, https://host:port/path or echo:"),
        ("echo:x", "must be http://host:port/path, https://host:port/path or echo:"),
        ("http://u:p@a", "must not have a user (@)"),
        ("http://a/?x", "must not have a query (?)"),
        ("http://a/#x", "must not have a fragment (#)"),
        ("http://a:0", "must have a port from 1 to 65535"),
        ("http://a:65536", "must have a port from 1 to 65535"),
        ("http://a/b c", "must have a path of plain characters, others written as %XX"),
        ("http://a/../b", "must not have //, . or .. in its path"),
        ("http://a//b", "must not have //, . or .. in its path"),
    ],
)
def test_targets_are_urls(url, problem):
    """A target is the plain URL of a server, nothing hidden in it."""
    text = with_api(f"upstream: {{targets: [{{url: '{url}'}}]}}")

    assert [f"apis.yaml:2: apis[0].upstream.targets[0].url: {problem}"] == errors_of(text)


@pytest.mark.parametrize(
    "url",
    ["http://a", "https://a.example:8443/v1/", "http://127.0.0.1:9000", "http://[::1]:80/a%20b", "echo:", "http://A_b/"],
)
def test_targets(url):
    """Names, addresses, ports and paths make a target."""
    api = parse_state(with_api(f"upstream: {{targets: [{{url: '{url}'}}]}}"), "apis.yaml").state.apis[0]

    assert url == api.upstream.targets[0].url


def test_upstream_of_a_route_is_checked():
    """A route's own upstream is held to the same rules, and an upstream has a target."""
    assert [
        "apis.yaml:2: apis[0].routes[0].upstream.targets[0].url: "
        "must be http://host:port/path, https://host:port/path or echo:"
    ] == errors_of(with_api("routes: [{upstream: {targets: [{url: x}]}}]"))
    assert ["apis.yaml:2: apis[0].upstream.targets: length must be >= 1"] == errors_of(
        with_api("upstream: {targets: []}")
    )


def test_tls_is_for_https():
    """TLS settings that would protect nothing are refused."""
    assert ["apis.yaml:2: apis[0].upstream.tls: is only for https:// targets, and there is none"] == errors_of(
        with_api("upstream: {targets: [{url: 'http://a'}], tls: {verify: false}}")
    )
    assert [
        "apis.yaml:2: apis[0].upstream.tls.key_file: needs certificate_file",
        "apis.yaml:2: apis[0].upstream.tls.server_name: must be a host name",
    ] == errors_of(
        with_api("upstream: {targets: [{url: 'https://a'}], tls: {key_file: k, server_name: 'a:1'}}")
    )


def test_files_are_relative_to_the_state(tmp_path):
    """A certificate is looked for beside the file that names it."""
    path = tmp_path / "apis.yaml"
    path.write_text(
        with_api(
            "upstream: {targets: [{url: 'https://a'}], tls: {ca_file: ca.pem, certificate_file: /etc/c.pem}},"
            "routes: [{upstream: {targets: [{url: 'https://a'}], tls: {ca_file: r.pem}}}]"
        )
    )
    api = load_state(path).state.apis[0]

    assert str(tmp_path / "ca.pem") == api.upstream.tls.ca_file
    assert "/etc/c.pem" == api.upstream.tls.certificate_file
    assert api.upstream.tls.key_file is None
    assert str(tmp_path / "r.pem") == api.routes[0].upstream.tls.ca_file


def test_unreadable_files_are_named(tmp_path):
    """A file that is not there or is no text is one plain line."""
    with pytest.raises(InvalidFileError, match="cannot be read: No such file or directory"):
        load_state(tmp_path / "none.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"\na: \xe4\n")
    with pytest.raises(InvalidFileError, match=r"latin.yaml:2: is not UTF-8 text"):
        load_state(path)


def test_thousand_apis_load():
    """A large state is read whole, and the last line is known."""
    text = "apis:\n" + "".join(
        f"  - name: api{i}\n    version: '1'\n    base_path: /api{i}\n    routes:\n"
        + "".join(f"      - {{path: /r{j}}}\n" for j in range(5))
        for i in range(1000)
    )
    loaded = parse_state(text, "apis.yaml")

    assert 1000 == len(loaded.state.apis)
    assert 9001 == loaded.source.line("apis[999].routes[4].path")
