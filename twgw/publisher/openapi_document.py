"""OpenAPI documents as they come: read, bounded, whole in themselves, and valid by the schema of their version.

What comes out has no reference that leads elsewhere, so nothing is ever fetched for it, and every fault is told with
its JSON pointer (RFC 6901) and its line.  Validated by the schemas that ``openapi-spec-validator`` ships, with
``jsonschema-rs``: a hundred times faster than that package itself, which matters beside the traffic of a node.
Pure.  Called by ``openapi.py``.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn

from attrs import frozen

from twgw.document import Source, read_document
from twgw.faults import InvalidFileError, below

MAX_BYTES = 16 * 1024 * 1024
MOST_FAULTS = 50
MOST_HOPS = 20
"""References that lead to each other before it is taken for a circle."""
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
"""What an operation may be called in a path item."""

_VERSION = re.compile(r"3\.[01]\.[0-9]+(-.+)?", re.ASCII)
_SURROGATES = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", re.ASCII)
_PARAMETER = re.compile(r"\{([^{}]*)\}")
_DATA = frozenset({"example", "value", "default", "enum", "const"})
"""Members that hold data: what looks like a reference there is none."""
_LINE = re.compile(r"(?::(?P<line>[0-9]+))?: (?P<text>.*)", re.DOTALL)

Steps = tuple[str | int, ...]
"""The way from the root of a document to a place in it."""


@frozen
class DocumentFault:
    """What is wrong with a document, and where."""

    name: str
    line: int
    pointer: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}:{self.line}: {self.pointer or '(the whole)'}: {self.text}"


class InvalidDocument(Exception):
    """Everything that is wrong with a document."""

    def __init__(self, faults: Collection[DocumentFault]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


def pointer(steps: Steps) -> str:
    """A place as JSON pointer.

    >>> pointer(("paths", "/pets/{id}", "get"))
    '/paths/~1pets~1{id}/get'
    """
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


@frozen
class Document:
    """An OpenAPI document.  ``version`` is 2.0, 3.0 or 3.1."""

    name: str
    value: Mapping[str, Any]
    version: str
    source: Source

    def fault(self, steps: Steps, text: str) -> DocumentFault:
        """A fault at a place."""
        return _fault(self.name, self.source, steps, text)

    def follow(self, node: Any, steps: Steps) -> tuple[Any, Steps]:
        """What stands at a place: that to which its reference leads, where it has one."""
        for _ in range(MOST_HOPS):
            if not (isinstance(node, Mapping) and isinstance(reference := node.get("$ref"), str)):
                return node, steps
            steps = _steps_of(reference)
            node = _at(self.value, steps)
        raise InvalidDocument([self.fault(steps, "is a circle of references")])

    def operations(self) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any], Steps]]:
        """Path, method, operation, its path item, and where it stands."""
        for path, entry in self.value.get("paths", {}).items():
            if path.startswith("/"):
                item, place = self.follow(entry, ("paths", path))
                for method in METHODS:
                    if method in item:
                        yield path, method, item[method], item, (*place, method)


def read_openapi(text: str, name: str) -> Document:
    """Read a document, JSON or YAML.  ``name`` is shown in faults.  Raises InvalidDocument."""
    if len(text) > MAX_BYTES:
        raise InvalidDocument([DocumentFault(name, 1, "", f"longer than {MAX_BYTES} characters")])
    try:
        value, source = _read_json(text, name) if text.lstrip()[:1] == "{" else read_document(text, name)
    except InvalidFileError as error:
        raise InvalidDocument([_of_line(name, line) for line in error.lines]) from error
    if not isinstance(value, dict):
        raise InvalidDocument([DocumentFault(name, 1, "", "is not an OpenAPI document but a single value or a list")])
    version = "2.0" if value.get("swagger") == "2.0" else ""
    if isinstance(said := value.get("openapi"), str) and _VERSION.fullmatch(said):
        version = said[:3]
    if not version:
        steps = ("openapi",) if "openapi" in value else ("swagger",) if "swagger" in value else ()
        raise InvalidDocument([_fault(name, source, steps, "must say openapi: 3.0.x or 3.1.x, or swagger: '2.0'")])
    document = Document(name, value, version, source)
    for check in (_references, _by_schema, _operations):  # the later ones rely on the earlier
        faults = [found for found, _ in zip(check(document), range(MOST_FAULTS), strict=False)]
        if faults:
            raise InvalidDocument(sorted(faults, key=lambda fault: fault.line))
    return document


def _read_json(text: str, name: str) -> tuple[Any, Source]:
    """JSON is read as such; its lines are those of the same text as YAML, without what only JSON knows."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise InvalidFileError([f"{name}:{error.lineno}: not JSON: {error.msg}"]) from error
    except (ValueError, RecursionError) as error:
        raise InvalidFileError([f"{name}:1: not JSON that can be read: {error}"]) from error
    return value, read_document(_SURROGATES.sub(r"\\uFFFD", text).replace("\t", " "), name)[1]


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def _of_line(name: str, line: str) -> DocumentFault:
    """A fault of ``document.py`` as one of ours."""
    found = _LINE.fullmatch(line.removeprefix(name))
    return DocumentFault(name, int((found and found["line"]) or 1), "", found["text"] if found else line)


def _fault(name: str, source: Source, steps: Steps, text: str) -> DocumentFault:
    path = ""
    for step in steps:
        path = below(path, step)
    return DocumentFault(name, source.line(path), pointer(steps), text)


# --- references ---


def _references(document: Document) -> Iterator[DocumentFault]:
    """A reference leads to another place of the same document, and none leads back to itself."""
    ahead: list[tuple[Any, Steps]] = [(document.value, ())]
    while ahead:
        node, steps = ahead.pop()
        if isinstance(node, list):
            ahead += [(each, (*steps, place)) for place, each in enumerate(node)]
        elif isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str) and (problem := _problem(document.value, reference)):
                yield document.fault((*steps, "$ref"), problem)
            ahead += [
                (each, (*steps, key)) for key, each in node.items() if key not in _DATA or steps[-1:] == ("properties",)
            ]


def _problem(root: Any, reference: str) -> str:
    if not reference.startswith("#"):
        return "leads out of the document; such references are not followed, put what it means in here"
    if reference != "#" and not reference.startswith("#/"):
        return ""  # the anchor of a schema
    for _ in range(MOST_HOPS):
        try:
            node = _at(root, _steps_of(reference))
        except LookupError:
            return "leads nowhere"
        if not (isinstance(node, dict) and isinstance(following := node.get("$ref"), str)):
            return ""
        if not following.startswith("#/"):
            return ""  # judged where it stands
        reference = following
    return "is a circle of references"


def _steps_of(reference: str) -> Steps:
    parts = reference.removeprefix("#").split("/")[1:]
    return tuple(_unescaped(part).replace("~1", "/").replace("~0", "~") for part in parts)


def _unescaped(part: str) -> str:
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), part)


def _at(node: Any, steps: Steps) -> Any:
    """What stands at a place.  Raises LookupError."""
    for step in steps:
        if isinstance(node, list):
            if not (isinstance(step, str) and step.isascii() and step.isdigit()):
                raise LookupError(step)
            node = node[int(step)]
        elif isinstance(node, dict):
            node = node[str(step)]
        else:
            raise LookupError(step)  # noqa: TRY004 - it is the step that leads nowhere
    return node


# --- the schema of its version ---


@lru_cache(3)
def _validator(version: str) -> Any:
    """Made when the first document comes: the two packages take a second and 30 MB to be loaded."""
    import jsonschema_rs  # noqa: PLC0415 - see above
    from openapi_spec_validator.schemas.utils import get_schema_content  # noqa: PLC0415 - see above

    return jsonschema_rs.validator_for(dict(get_schema_content(version)))


def _by_schema(document: Document) -> Iterator[DocumentFault]:
    for error in _validator(document.version).iter_errors(document.value):
        yield _told(document, error)


def _told(document: Document, error: Any) -> DocumentFault:
    """The fault that a person would name: of several branches none of which fits, that which came furthest."""
    while branches := [branch for branch in getattr(error.kind, "context", None) or () if branch]:
        deepest = max((max(branch, key=_depth) for branch in branches), key=_depth)
        if _depth(deepest) <= _depth(error):
            break
        error = deepest
    steps = tuple(error.instance_path)
    text = "does not have one of the forms it may have" if "is not valid under any" in error.message else error.message
    return document.fault(steps, text if len(text) <= 200 else f"{text[:200]} …")


def _depth(error: Any) -> int:
    return len(error.instance_path)


# --- what no schema can say ---


def _operations(document: Document) -> Iterator[DocumentFault]:
    """Every name is used once, and every parameter of a path is described."""
    names: dict[str, str] = {}
    for path, method, operation, item, steps in document.operations():
        name = operation.get("operationId")
        if isinstance(name, str):
            if name in names:
                yield document.fault((*steps, "operationId"), f"{name} is that of {names[name]} already")
            names.setdefault(name, f"{method.upper()} {path}")
        wanted = set(_PARAMETER.findall(path))
        described = set(_path_parameters(document, item, (*steps[:-1], "parameters")))
        described |= set(_path_parameters(document, operation, (*steps, "parameters")))
        for missing in sorted(wanted - described):
            yield document.fault(steps, f"does not describe the parameter {missing} of its path")


def _path_parameters(document: Document, owner: Mapping[str, Any], steps: Steps) -> Iterator[str]:
    entries: Sequence[Any] = owner.get("parameters", ())
    for place, entry in enumerate(entries):
        parameter, _ = document.follow(entry, (*steps, place))
        if isinstance(parameter, Mapping) and parameter.get("in") == "path":
            yield str(parameter.get("name"))
