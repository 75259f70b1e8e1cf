"""A YAML document as plain values, with the line of each.

YAML as people expect it (1.2, core schema): only ``true`` and ``false`` are booleans, ``yes``, ``no`` and ``on`` are
text, a key is text as it is written and stands once, and there are no tags and no aliases, so that the size of a
document is the size of what it means.  PyYAML's C composer makes the nodes; what they mean is decided here.
Called by ``state.py``.  The only file that imports PyYAML.
"""

import math
import re
from typing import Any

import yaml
from attrs import frozen
from yaml._yaml import CParser

from twgw.faults import Fault, InvalidFileError, below, steps

MAX_BYTES = 64 * 1024 * 1024
MAX_NODES = 2_000_000
MAX_DEPTH = 64
MAX_DIGITS = 64

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan)
_WORDS |= {sign + word: math.inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")}
_WORDS |= {"-" + word: -math.inf for word in (".inf", ".Inf", ".INF")}

PLAIN, QUOTED, COLLECTION = "plain", "quoted", "collection"


@frozen
class Source:
    """Where everything stands in a document."""

    name: str
    root: yaml.Node

    def line(self, path: str) -> int:
        """The line, counted from 1, of what a path names; of the nearest thing around it when it is not there."""
        node, line = self.root, self.root.start_mark.line
        for step in steps(path):
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    if key.value == step:
                        node, line = value, key.start_mark.line
                        break
                else:
                    break
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line
            else:
                break
        return int(line) + 1

    def locate(self, fault: Fault) -> str:
        """A fault with file, line and path: ``apis.yaml:12: apis[0].name: missing``."""
        return f"{self.name}:{self.line(fault.path)}: {fault}"


def read_document(text: str, name: str) -> tuple[Any, Source]:
    """The values of a document and where they stand.  ``name`` is that of the file, for errors.

    Raises InvalidFileError with every fault that keeps the values from being known.
    """
    if len(text) > MAX_BYTES:
        raise InvalidFileError([f"{name}: longer than {MAX_BYTES} characters"])
    try:
        root = _Composer(text).get_single_node()
    except _TooLargeError as error:
        raise InvalidFileError([f"{name}:{error.line}: {error}"]) from error
    except yaml.MarkedYAMLError as error:
        line, problem = _problem(error, text)
        raise InvalidFileError([f"{name}:{line}: {problem}"]) from error
    except (yaml.reader.ReaderError, UnicodeError) as error:
        raise InvalidFileError([f"{name}: not YAML: has a control character or another that is no text"]) from error
    reading = _Reading()
    value = reading.value(root, "", 0) if root else None
    if reading.faults:
        raise InvalidFileError(f"{name}:{line + 1}: {fault}" for line, fault in reading.faults)
    if root is None or value is None:
        raise InvalidFileError([f"{name}: is empty"])
    return value, Source(name, root)


def _problem(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    """The line and the words for what is no YAML.  Where libyaml says what it had hoped for, we say what is there."""
    said = error.problem or error.context or ""
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    if "found another document" in f"{said} {error.context}":
        return line, "a second document starts here; write one document in a file"
    if "nesting depth" in said:
        return line, f"nested deeper than {MAX_DEPTH}"  # far deeper: PyYAML 6.0.4 stops by itself before it asks us
    if "tab character" in said or ("cannot start any token" in said and mark and text.startswith("\t", mark.index)):
        return line, "not YAML: has a tab; indent with blanks"
    if said == "could not find expected ':'" and error.context_mark:
        return error.context_mark.line + 1, "not YAML: has no ':' behind the key"
    if said == "mapping values are not allowed in this context":
        return line, "not YAML: has a second ': ' in a value; put the value in quotes"
    if said in ("did not find expected '-' indicator", "did not find expected key"):
        return line, f"not YAML: {said}; is the line indented as those that it belongs to?"
    return line, f"not YAML: {said}"


class _TooLargeError(Exception):
    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


class _Composer(CParser):
    """Composes nodes and leaves their meaning open: a tag of ours says only how a node was written.

    The composer recurses in C and would overflow its stack: the depth is watched on its way down.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0

    def resolve(self, kind: Any, _value: Any, implicit: Any) -> str:
        if kind is not yaml.ScalarNode:
            return COLLECTION
        return PLAIN if implicit[0] else QUOTED

    def descend_resolver(self, parent: Any, _index: Any) -> None:
        self._depth += 1
        self._nodes += 1
        if self._depth > MAX_DEPTH or self._nodes > MAX_NODES:
            what = f"nested deeper than {MAX_DEPTH}" if self._depth > MAX_DEPTH else f"more than {MAX_NODES} values"
            raise _TooLargeError(what, parent.start_mark.line + 1 if parent else 1)

    def ascend_resolver(self) -> None:
        self._depth -= 1


class _Reading:
    """One walk over the nodes: what they mean, and what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[tuple[int, Fault]] = []
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, path: str, line: int) -> Any:
        """What a node means; ``line`` is where it stands, from 0: an alias bears the mark of its anchor."""
        if id(node) in self._seen:
            return self._fault(line, path, "is an alias (*name); aliases are not read, write the value itself")
        self._seen.add(id(node))
        if node.tag not in (PLAIN, QUOTED, COLLECTION):
            return self._fault(line, path, "has a tag (!name); tags are not read, quote what is text")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [
            self.value(each, below(path, index), max(line, each.start_mark.line))
            for index, each in enumerate(node.value)
        ]

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line
            if not isinstance(key, yaml.ScalarNode) or key.tag not in (PLAIN, QUOTED):
                self._fault(line, path, "has a key that is not plain text")
                continue
            name = str(key.value)
            place = below(path, name)
            if name in lines:
                self._fault(line, place, f"stands twice; first on line {lines[name] + 1}")
            elif name == "<<":
                self._fault(line, place, "merge keys are not read, write the values themselves")
            else:
                lines[name] = line
                found[name] = self.value(value, place, line)
        return found

    def _scalar(self, node: yaml.ScalarNode, path: str, line: int) -> Any:
        text: str = node.value
        if node.tag == QUOTED:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            if len(text) > MAX_DIGITS:
                return self._fault(line, path, f"is a number of more than {MAX_DIGITS} digits")
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        return float(text) if _FLOAT.fullmatch(text) else text

    def _fault(self, line: int, path: str, text: str) -> None:
        self.faults.append((line, Fault(path, text)))


def write_document(value: Any) -> str:
    """What ``read_document`` reads as this value, for people to edit."""
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110))
