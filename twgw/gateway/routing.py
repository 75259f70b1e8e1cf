"""Find what serves a request by its host, path and method.

One tree of path segments for each host pattern, shared by all APIs, so that a match costs as much as its path is long,
however many APIs there are.  A ``Router`` never changes: ``replace`` copies the nodes on the way to what is different
and shares the rest.  Pure.  Built by ``gateway/deployment.py``, asked by ``gateway/edge.py``.

What is more specific wins, whatever its method: an exact host before ``*.example.com`` (the longest suffix first)
before any host; then segment by segment a literal before ``{name}`` before a trailing ``*``.  Where the most specific
path has no route for the method the answer is 405 with the methods that it has.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from attrs import define, field, frozen

ANY_HOST = "*"
MOST_SEGMENTS = 100
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


@frozen
class Entry:
    """One route to serve.  No hosts means any host, no methods any method; ``payload`` is what a match hands back.

    ``base_path`` is literal text, ``route_path`` is relative to it and may hold ``{name}`` segments and a final ``*``.
    """

    hosts: tuple[str, ...]
    base_path: str
    route_path: str
    methods: tuple[str, ...]
    payload: Any


@define(eq=False)
class Match:
    """A route was found.  ``params`` are the values of ``{name}``, ``rest`` is the path after the base path."""

    payload: Any
    params: Mapping[str, str]
    rest: str


@frozen
class Miss:
    """Nothing is served at that host and path: 404."""


@frozen
class NotAllowed:
    """Something is served there, but not with that method: 405.  ``allow`` is sorted."""

    allow: tuple[str, ...]


MISS = Miss()


@frozen(eq=False)
class Leaf:
    """One entry at one place of the tree: its API and rank there, and how a match is made from it."""

    api_id: str
    rank: int
    methods: tuple[str, ...]
    payload: Any
    names: tuple[tuple[str, int], ...]
    """Parameter and the place of its segment."""
    skip: int
    """Length of the base path."""

    def params(self, path: str) -> Mapping[str, str]:
        """The values of ``{name}`` in a path that led here."""
        segments = path.split("/")
        return {name: segments[place] for name, place in self.names} if self.names else _NO_PARAMS

    def rest(self, path: str) -> str:
        """A path that led here, after the base path."""
        return path[self.skip :] or "/"


class End:
    """All entries with the same path, by method.

    Of two that claim one method the first wins: by the name of the API, then as listed.
    """

    __slots__ = ("allow", "any", "by_method", "leaves")

    def __init__(self, leaves: Sequence[Leaf]) -> None:
        self.leaves = tuple(sorted(leaves, key=lambda leaf: (leaf.api_id, leaf.rank)))
        self.by_method: dict[str, Leaf] = {}
        self.any: Leaf | None = None
        for leaf in self.leaves:
            for method in leaf.methods:
                self.by_method.setdefault(method, leaf)
            if not leaf.methods and self.any is None:
                self.any = leaf
        if "GET" in self.by_method:
            self.by_method.setdefault("HEAD", self.by_method["GET"])
        self.allow = tuple(sorted(self.by_method))


@define(eq=False)
class Node:
    """One segment of the tree."""

    literal: "dict[str, Node]" = field(factory=dict)
    parameter: "Node | None" = None
    end: End | None = None
    """Paths that end here."""
    star: End | None = None
    """Paths that end here or anywhere below."""

    def is_empty(self) -> bool:
        """Whether nothing is found here any more."""
        return not (self.literal or self.parameter or self.end or self.star)


@frozen(eq=False)
class Place:
    """Where one leaf stands: the host pattern, then the segments of the path."""

    host: str
    segments: tuple[str, ...]
    leaf: Leaf


class Router:
    """Finds the entry for a request.  Never changes."""

    __slots__ = ("_any", "_depth", "_hosts", "_places", "_roots", "_suffixes")

    def __init__(self, roots: Mapping[str, Node], places: Mapping[str, tuple[Place, ...]], depth: int) -> None:
        """For ``build`` and ``replace``."""
        self._roots = roots
        self._any = roots.get(ANY_HOST)
        self._places = places
        self._depth = depth
        self._hosts = any(host != ANY_HOST for host in roots)
        self._suffixes = any(host.startswith("*.") for host in roots)

    @classmethod
    def build(cls, entries_by_api: Mapping[str, Sequence[Entry]]) -> "Router":
        """A router for the entries of some APIs.  Raises ValueError for a host or path that cannot be served."""
        return cls({}, {}, 1).replace_all(entries_by_api)

    def replace(self, api_id: str, entries: Sequence[Entry]) -> "Router":
        """A router in which one API has these entries instead of those it had; none takes it away.

        Raises ValueError as ``build`` does.
        """
        return self.replace_all({api_id: entries})

    def replace_all(self, entries_by_api: Mapping[str, Sequence[Entry]]) -> "Router":
        """The same for several APIs at once; those that are not named stay."""
        added = {api_id: tuple(_places(api_id, entries)) for api_id, entries in entries_by_api.items()}
        places = {**self._places, **added}
        roots = dict(self._roots)
        fresh: set[int] = set()
        depth = self._depth
        for api_id, ours in added.items():
            for place in self._places.get(api_id, ()):
                _put(roots, place, None, fresh)
            for place in ours:
                depth = max(depth, len(place.segments))
                _put(roots, place, place.leaf, fresh)
            if not ours:
                del places[api_id]
        return Router({host: root for host, root in roots.items() if not root.is_empty()}, places, depth)

    def match(self, host: str, method: str, path: str) -> Match | Miss | NotAllowed:
        """What serves ``method`` on ``path`` (without query) at ``host`` (with or without a port, in any case)."""
        leaf = self.find(host, method, path)
        return Match(leaf.payload, leaf.params(path), leaf.rest(path)) if isinstance(leaf, Leaf) else leaf

    def find(self, host: str, method: str, path: str) -> "Leaf | Miss | NotAllowed":
        """As ``match``; parameters and rest of the path can be asked of the leaf."""
        segments = path.split("/", self._depth + 1)
        if segments[0] or len(segments) == 1:
            return MISS
        if self._hosts:
            end = self._find_by_host(host, segments)
        else:
            end = None if self._any is None else _find(self._any, segments)
        if end is None:
            return MISS
        leaf = end.by_method.get(method) or end.any
        return NotAllowed(end.allow) if leaf is None else leaf

    def _find_by_host(self, host: str, segments: list[str]) -> End | None:
        roots = self._roots
        name = host_name(host)
        root = roots.get(name)
        end = _find(root, segments) if root is not None and name != ANY_HOST else None
        if self._suffixes:
            dot = name.find(".", 1)
            while end is None and dot > 0:
                root = roots.get("*" + name[dot:])
                if root is not None:
                    end = _find(root, segments)
                dot = name.find(".", dot + 1)
        return _find(self._any, segments) if end is None and self._any is not None else end


def host_name(host: str) -> str:
    """A Host field in lower case, without its port and the dot that may end a full name."""
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.partition(":")[0].lower().removesuffix(".")


def _find(node: Node, segments: list[str]) -> End | None:
    """The most specific end for the segments after the first."""
    root, star, place, last = node, node.star, 1, len(segments)
    while place < last:
        if node.parameter is not None:
            return _search(root, segments, 1)
        child = node.literal.get(segments[place])
        if child is None:
            return star
        node, place = child, place + 1
        star = node.star or star
    return node.end or star


def _search(node: Node, segments: list[str], place: int) -> End | None:
    """The same among parameters, where a way may lead nowhere.  As deep as the tree at most, not as the path."""
    if place == len(segments):
        return node.end or node.star
    segment = segments[place]
    child = node.literal.get(segment)
    if child is not None:
        found = _search(child, segments, place + 1)
        if found is not None:
            return found
    if node.parameter is not None and segment:
        found = _search(node.parameter, segments, place + 1)
        if found is not None:
            return found
    return node.star


def _places(api_id: str, entries: Sequence[Entry]) -> Iterator[Place]:
    for rank, entry in enumerate(entries):
        base = entry.base_path.rstrip("/")
        if not entry.base_path.startswith("/") or "{" in base or "*" in base:
            raise ValueError(f"base path {entry.base_path!r} must start with '/' and hold neither '{{' nor '*'")
        paths = [base, base + "/"] if entry.route_path == "/" and base else [base + entry.route_path]
        for path in paths:
            segments, names = _pattern(entry.route_path, path)
            leaf = Leaf(api_id, rank, entry.methods, entry.payload, names, len(base))
            for host in entry.hosts or (ANY_HOST,):
                yield Place(_host_pattern(host), segments, leaf)


def _pattern(route_path: str, path: str) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
    """The segments of a path, each parameter as ``{}``; and the parameters' names and places."""
    if not route_path.startswith("/"):
        raise ValueError(f"path {route_path!r} must start with '/'")
    segments = path.split("/")[1:]
    if len(segments) > MOST_SEGMENTS:
        raise ValueError(f"path {route_path!r} has more than {MOST_SEGMENTS} segments")
    names: dict[str, int] = {}
    for place, segment in enumerate(segments):
        found = _PARAMETER.fullmatch(segment)
        if found:
            if found[1] in names:
                raise ValueError(f"path {route_path!r} has {segment} twice")
            names[found[1]] = place + 1
            segments[place] = "{}"
        elif "{" in segment or "}" in segment:
            raise ValueError(f"path {route_path!r}: {segment!r} must be plain text or a whole {{name}}")
        elif "*" in segment and (segment != "*" or place + 1 < len(segments)):
            raise ValueError(f"path {route_path!r}: '*' stands for the rest and must be the whole last segment")
    return tuple(segments), tuple(names.items())


def _host_pattern(host: str) -> str:
    name = host.lower()
    plain = name.removeprefix("*.")
    if name != ANY_HOST and (not plain or "*" in plain or "/" in plain or host_name(plain) != plain):
        raise ValueError(f"host {host!r} must be a name, an address or '*.' and a name, without port or final dot")
    return name


def _put(roots: dict[str, Node], place: Place, leaf: Leaf | None, fresh: set[int]) -> None:
    """Put a leaf in its place, or with None take away those of the place's API.

    ``fresh`` are the nodes made since the router was copied; those may be changed, all others are shared.
    """
    root = roots.get(place.host)
    roots[place.host] = _with(root, place, 0, leaf, fresh)


def _with(node: Node | None, place: Place, depth: int, leaf: Leaf | None, fresh: set[int]) -> Node:
    if node is None:
        node = Node()
        fresh.add(id(node))
    elif id(node) not in fresh:
        node = Node(dict(node.literal), node.parameter, node.end, node.star)
        fresh.add(id(node))
    segments = place.segments
    if depth == len(segments):
        node.end = _edited(node.end, place, leaf)
        return node
    segment = segments[depth]
    if segment == "*":
        node.star = _edited(node.star, place, leaf)
    elif segment == "{}":
        child = _with(node.parameter, place, depth + 1, leaf, fresh)
        node.parameter = None if child.is_empty() else child
    else:
        child = _with(node.literal.get(segment), place, depth + 1, leaf, fresh)
        if child.is_empty():
            node.literal.pop(segment, None)
        else:
            node.literal[segment] = child
    return node


def _edited(end: End | None, place: Place, leaf: Leaf | None) -> End | None:
    leaves = [] if end is None else list(end.leaves)
    if leaf is None:
        leaves = [other for other in leaves if other.api_id != place.leaf.api_id]
    else:
        leaves.append(leaf)
    return End(leaves) if leaves else None
