"""OpenAPI documents: what is read, what is refused, and where it says so."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twgw.publisher.openapi_document import InvalidDocument, pointer, read_openapi

EXAMPLE = Path(__file__).parents[2] / "etc" / "examples" / "weather.openapi.yaml"
HEAD = "openapi: 3.0.3\ninfo: {title: x, version: '1'}\n"
OK = "responses: {'200': {description: ok}}"


def faults(text):
    with pytest.raises(InvalidDocument) as caught:
        read_openapi(text, "a.yaml")
    return [str(fault) for fault in caught.value.faults]


def test_the_description_of_a_real_api_is_read():
    """With parameters, references, several servers, and a schema that leads to itself."""
    document = read_openapi(EXAMPLE.read_text(), "weather.openapi.yaml")

    assert "3.0" == document.version
    assert ["/alerts", "/alerts/active/zone/{zoneId}", "/gridpoints/{wfo}/{x},{y}/forecast"] == [
        path for path, *_ in document.operations()
    ][:3]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("swagger: '2.0'\ninfo: {title: x, version: '1'}\npaths: {}", "2.0"),
        (f"{HEAD}paths: {{}}", "3.0"),
        ("openapi: 3.1.1\ninfo: {title: x, version: '1'}\npaths: {}", "3.1"),
        ('\n{"openapi": "3.1.0",\n\t"info": {"title": "\\ud83d\\ude00\\/", "version": "1"}, "paths": {}}', "3.1"),
    ],
)
def test_every_version_is_read(text, version):
    """Swagger 2.0, OpenAPI 3.0 and 3.1, as YAML and as JSON, with what only JSON knows."""
    assert version == read_openapi(text, "a").version


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("openapi: 4.0.0", "a.yaml:1: /openapi: must say openapi: 3.0.x or 3.1.x, or swagger: '2.0'"),
        ("swagger: 2.0", "a.yaml:1: /swagger: must say openapi: 3.0.x or 3.1.x, or swagger: '2.0'"),
        ("title: x", "a.yaml:1: (the whole): must say"),
        ("[1]", "a.yaml:1: (the whole): is not an OpenAPI document"),
        ("a: [", "a.yaml:2: (the whole): not YAML"),
        ('{"a": 1,\n "b": }', "a.yaml:2: (the whole): not JSON: Expecting value"),
        ('{"a": NaN}', "a.yaml:1: (the whole): not JSON that can be read: NaN is not a number"),
        ('{"a": 1, "a": 2}', "a.yaml:1: (the whole): a: stands twice"),
        ("a: &x [1]\nb: *x", "a.yaml:2: (the whole): b: is an alias"),
        ("a: !!python/object:os.system x", "a.yaml:1: (the whole): a: has a tag"),
        ("[" * 100, "a.yaml:1: (the whole): "),
        ('{"a":' * 100_000, "a.yaml:1: (the whole): not JSON"),
        (f"{HEAD}paths: {{}}\n# " + "x" * (16 << 20), "a.yaml:1: (the whole): longer than 16777216 characters"),
        (HEAD, "a.yaml:1: (the whole): "),
        (f"{HEAD}paths:\n  /a:\n    get:\n      responses: {{'200': {{description: 7}}}}",
         "a.yaml:6: /paths/~1a/get/responses/200/description: 7 is not of type"),
        (f"{HEAD}paths:\n  /a/{{b}}:\n    get: {{{OK}}}",
         "a.yaml:5: /paths/~1a~1{b}/get: does not describe the parameter b of its path"),
        (f"{HEAD}paths:\n  /a:\n    get: {{operationId: x, {OK}}}\n    put: {{operationId: x, {OK}}}",
         "a.yaml:6: /paths/~1a/put/operationId: x is that of GET /a already"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text, expected):
    """The line, the JSON pointer, and what it is; nothing that is too large or too deep is taken in."""
    assert faults(text)[0].startswith(expected)


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("http://127.0.0.1:1/x.yaml", "leads out of the document"),
        ("file:///etc/passwd", "leads out of the document"),
        ("other.yaml#/a", "leads out of the document"),
        ("//evil.test/x", "leads out of the document"),
        ("#/components/schemas/Gone", "leads nowhere"),
        ("#/components/schemas/A", "is a circle of references"),
        ("#/info/title/x", "leads nowhere"),
    ],
)
def test_references_stay_inside(reference, why):
    """Nothing is fetched: a reference leads to another place of the document, and not round in a circle."""
    text = (
        f"{HEAD}paths: {{}}\ncomponents:\n  schemas:\n    A: {{$ref: '#/components/schemas/B'}}\n"
        f"    B: {{$ref: '#/components/schemas/A'}}\n    C:\n      $ref: '{reference}'\n"
    )

    assert any(fault.startswith(f"a.yaml:9: /components/schemas/C/$ref: {why}") for fault in faults(text))


def test_what_looks_like_a_reference_in_data_is_none():
    """An example may hold anything; a property may be called ``default``."""
    properties = {"default": {"$ref": "#/components/schemas/A"}}
    schemas = {"A": {"type": "object", "example": {"$ref": "http://x"}, "properties": properties}}
    document = {
        "openapi": "3.0.0", "info": {"title": "x", "version": "1"}, "paths": {}, "components": {"schemas": schemas},
    }  # fmt: skip

    assert read_openapi(json.dumps(document), "a")
    properties["default"]["$ref"] = "http://x"
    assert ["/components/schemas/A/properties/default/$ref"] == [
        fault.split(": ")[1] for fault in faults(json.dumps(document))
    ]


def test_many_faults_are_told_up_to_a_bound():
    """A document that is wrong everywhere is answered in a page."""
    paths = "".join(f"  /a{number}:\n    get: {{}}\n" for number in range(200))

    assert 50 == len(faults(f"{HEAD}paths:\n{paths}"))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=4))
def test_a_pointer_names_one_place(steps):
    """Whatever stands in the names (RFC 6901)."""
    written = pointer(tuple(steps))
    read = [part.replace("~1", "/").replace("~0", "~") for part in written.split("/")[1:]]

    assert steps == read


_WORDS = st.sampled_from(["openapi", "swagger", "info", "paths", "$ref", "/a", "get", "servers", "parameters"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(_WORDS, each, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_no_document_does_harm(value):
    """Whatever comes is read or refused with faults, never an error of ours."""
    if isinstance(value, dict):
        value |= {"openapi": "3.0.0"}
    try:
        assert "3.0" == read_openapi(json.dumps(value), "a").version
    except InvalidDocument as error:
        assert "a:" in str(error)  # noqa: PT017 - either way is right
