"""Which policies are installed: found by entry point and in folders, by name.

Called by ``gateway/deployment.py`` at each deployment, by ``twgw plugins`` and by ``docs/generate.py``.
Nothing here is called for a request.
"""

import importlib.util
import inspect
import os
import stat
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
from attrs import field, frozen

from twgw.faults import suggest
from twgw.policy import hookspecs

ENTRY_POINT_GROUP = "twgw"
_ARGUMENTS = {
    name: tuple(inspect.signature(hook).parameters)
    for name, hook in vars(hookspecs).items() if hasattr(hook, "twgw_spec")
}
"""The arguments of each hook."""


@frozen
class NoSettings:
    """The settings of a policy that has none."""


@frozen
class Plugin:
    """An installed policy: its name, its code, where it came from.

    ``fault`` says why it could not be loaded; such a plugin may be listed but not used.
    """

    name: str
    module: Any = field(repr=False, eq=id)
    origin: str
    fault: str = ""

    @property
    def settings(self) -> type:
        """The class of its settings."""
        found: type = getattr(self.module, "Settings", NoSettings)
        return found

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.module) or "").partition("\n")[0]

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """The names of its functions that implement hooks."""
        return tuple(name for name in dir(self.module) if isinstance(_options(self.module, name), dict))

    @cached_property
    def hooks(self) -> tuple[str, ...]:
        """The names of the hooks it implements."""
        return tuple(sorted({_options(self.module, name).get("specname") or name for name in self.functions}))


def _options(module: Any, name: str) -> Any:
    """What ``hookimpl`` noted on a function."""
    return getattr(getattr(module, name), "twgw_impl", None)


class PluginConflict(Exception):
    """Two installed policies have the same name."""


def find_plugins(directories: Iterable[Path] = ()) -> Mapping[str, Plugin]:
    """Every installed policy by name: of entry points first, then of the folders, in order.

    Raises PluginConflict when a name is taken twice.
    """
    found: dict[str, Plugin] = {}
    points = _points(entry_points, *map(_changed, sys.path))
    plugins = [_from_entry_point(point, package) for point, package in points]
    installed = {_file_of(point) for point, _ in points}
    for directory in directories:
        plugins += _from_directory(directory, installed)
    for plugin in plugins:
        other = found.get(plugin.name)
        if other is not None and other.origin != plugin.origin:
            raise PluginConflict(
                f"policy {plugin.name!r} is there twice, from {other.origin} and from {plugin.origin}: rename one"
            )
        found[plugin.name] = plugin
    return dict(sorted(found.items()))


def _changed(directory: str) -> tuple[str, int]:
    """When something was installed in a folder that code is imported from."""
    try:
        return directory, Path(directory).stat().st_mtime_ns
    except OSError:
        return directory, 0


@lru_cache(1)
def _points(find: Callable[..., Iterable[EntryPoint]], *_changed: tuple[str, int]) -> list[tuple[EntryPoint, str]]:
    """The entry points, each with the package that it is of; the metadata of packages are read when they changed."""
    return [(point, point.dist.name if point.dist else "?") for point in sorted(find(group=ENTRY_POINT_GROUP))]


def _from_entry_point(point: EntryPoint, package: str) -> Plugin:
    origin = f"{package} ({point.value})"
    try:
        module = point.load()
    except Exception as error:  # noqa: BLE001 - a broken package must not stop the others
        return Plugin(point.name, None, origin, f"{type(error).__name__}: {error}")
    return Plugin(point.name, module, origin, _misuse(module))


def _file_of(point: EntryPoint) -> Path | None:
    """Where the code of an entry point is; None when it is not there."""
    try:
        spec = importlib.util.find_spec(point.module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).resolve() if spec is not None and spec.origin else None


def _from_directory(directory: Path, installed: Collection[Path | None]) -> list[Plugin]:
    """The policies in a folder, without those that are installed from it, as in a checkout of twgw."""
    if not directory.is_dir():
        return []
    files = [path for path in _files(directory) if path.resolve() not in installed]
    return [
        Plugin(_name(path), None, str(path), fault) if (fault := _exposed(directory) or _exposed(path))
        else load_file(path)
        for path in files
    ]


def _exposed(path: Path) -> str:
    """Why a folder or a file must not be run: everybody could have written it.  Empty when it may."""
    try:
        if not path.stat().st_mode & stat.S_IWOTH:
            return ""
    except OSError:
        return ""  # it is gone, as loading it will say
    return f"{path} can be written by everybody; policies are code: take that right away (chmod o-w {path})"


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*.py") if not path.name.startswith(("_", "test_", "conftest")))


def _name(path: Path) -> str:
    return path.stem.replace("_", "-")


def load_file(path: Path) -> Plugin:
    """The policy in one file, named as the file with dashes.  Of a file that did not change it is the same module."""
    origin = os.fspath(path.resolve())
    try:
        found = path.stat()
        module = _load(origin, found.st_mtime_ns, found.st_size)
    except Exception as error:  # noqa: BLE001 - a broken file must not stop the others
        return Plugin(_name(path), None, origin, f"{type(error).__name__}: {error}{_line(error, origin)}")
    return Plugin(_name(path), module, origin, _misuse(module))


def _line(error: Exception, origin: str) -> str:
    """Where in a file an exception came from; a SyntaxError says it itself."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == origin]
    return f" ({Path(origin).name}, line {lines[-1]})" if lines else ""


@lru_cache(256)
def _misuse(module: Any) -> str:
    """What keeps code that loads from being a policy, in words for its author; empty when nothing does."""
    settings = getattr(module, "Settings", NoSettings)
    if not (isinstance(settings, type) and attrs.has(settings)):
        return "Settings is not a class of attrs: write @frozen above it (from attrs import frozen)"
    for name in dir(module):
        options, function = _options(module, name), getattr(module, name)
        if not isinstance(options, dict):
            if name.startswith("twgw_") and getattr(function, "__module__", None) == getattr(module, "__name__", ""):
                return f"{name} is not marked: write @hookimpl above it (from twgw import hookimpl)"
            continue
        hook = options.get("specname") or name
        if hook not in _ARGUMENTS:
            return f"there is no hook {hook}{suggest(hook, _ARGUMENTS)}"
        wrong = [each for each in inspect.signature(function).parameters if each not in _ARGUMENTS[hook]]
        if wrong:
            return f"{name} wants {', '.join(wrong)}; what it may name is {', '.join(_ARGUMENTS[hook])}"
    return ""


@lru_cache(256)
def _load(origin: str, *_stamp: int) -> ModuleType:
    """Run a file.  Raises what it raises; that is not remembered, as the reason may lie elsewhere."""
    name = f"twgw_policy_{Path(origin).stem}"
    spec = importlib.util.spec_from_file_location(name, origin)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # attrs and typing look classes' modules up
    spec.loader.exec_module(module)
    return module
