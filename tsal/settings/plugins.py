"""Plug-ins: methods, data sets and face detectors in folders of the user's, named by the variable TSAL_PLUGINS."""

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from tsal.errors import InputError

T = TypeVar("T")
VARIABLE = "TSAL_PLUGINS"


def plugin_folders(kind: str) -> list[str]:
    """The folders of that kind, such as "methods", within each folder that TSAL_PLUGINS lists (like PATH)."""
    return [str(folder / kind) for folder in _listed() if (folder / kind).is_dir()]


def check_plugin_folders() -> None:
    """Refuse a TSAL_PLUGINS that lists what is not there.

    Raises:
        InputError: names the folder. Call it where errors are told to users, not on import.
    """
    for folder in _listed():
        if not folder.is_dir():
            raise InputError(
                f"{VARIABLE}: found {folder}, which is no folder; expected folders that hold methods/ or datasets/, "
                f"parted by {os.pathsep!r}"
            )


def _listed() -> list[Path]:
    return [Path(name).absolute() for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]


def _import_plugins(kind: str, package: ModuleType, expected: str) -> list[tuple[Path, ModuleType]]:
    """The modules of all plug-in folders of a kind, imported as modules of a package.

    Files whose names begin with _ are left to be imported by others.

    Args:
        package: whose `__path__` is extended by the folders.
        expected: the name that each module has to define, such as "METHOD".

    Returns:
        (file, module) of each.

    Raises:
        InputError: a module cannot be imported, does not define the name, or is called as another one of the package;
            names its file. Or see `check_plugin_folders`.
    """
    check_plugin_folders()
    taken = {info.name: Path(package.__path__[0]) / info.name for info in pkgutil.iter_modules(package.__path__[:1])}
    found = []
    for folder in plugin_folders(kind):
        if folder not in package.__path__:
            package.__path__.append(folder)
        for name in _module_names(folder):
            file = next(path for path in _files(Path(folder), name) if path.exists())
            if name in taken:
                raise InputError(f"{file}: {taken[name]} has the same name; expected another, rename the file")
            taken[name] = file
            found.append((file, _import(f"{package.__name__}.{name}", file, expected)))
    return found


class ByModule(Generic[T]):
    """What the modules of a package and of its plug-in folders define, by name; imported when asked.

    Args:
        package: its name, such as tsal.methods, whose plug-ins lie in methods/.
        expected: the name that each module defines; kind: of what, which stands at `called`.
        noun: what users call one of them, such as "method".
        shared: modules of the package that define none.
        name_of: the name of one, where it is not that of its module.
    """

    def __init__(
        self,
        package: str,
        expected: str,
        kind: type[T],
        called: str,
        noun: str,
        shared: Collection[str],
        name_of: Callable[[T], str] | None = None,
    ) -> None:
        self._package, self._expected, self._kind = package, expected, kind
        self._called, self._noun, self._shared, self._name_of = called, noun, shared, name_of
        self._found: dict[str, T] | None = None

    def names(self) -> list[str]:
        """The names of all, sorted.

        Raises:
            InputError: a plug-in cannot be used; names its file.
        """
        return list(self._all())

    def get(self, name: str) -> T:
        """The one of that name.

        Raises:
            InputError: there is none; names those that there are. Or see `names`.
        """
        try:
            return self._all()[name]
        except KeyError:
            raise InputError(f"unknown {self._noun} {name!r}; expected one of {', '.join(self.names())}") from None

    def cache_clear(self) -> None:
        """Look for plug-ins anew when next asked."""
        self._found = None

    def _all(self) -> dict[str, T]:
        if self._found is None:
            self._found = self._import_all()
        return self._found

    def _import_all(self) -> dict[str, T]:
        package, expected = sys.modules[self._package], self._expected
        own = [info.name for info in pkgutil.iter_modules(package.__path__[:1]) if info.name not in self._shared]
        modules = [importlib.import_module(f"{self._package}.{name}") for name in own]
        found = {self._name_in(module): getattr(module, expected) for module in modules}
        for file, module in _import_plugins(self._package.rpartition(".")[2], package, expected):
            value = getattr(module, expected)
            if not isinstance(value, self._kind):
                raise InputError(f"{file}: {expected} is a {type(value).__name__}; expected a {self._called}")
            name = self._name_in(module)
            if name in found:
                raise InputError(f"{file}: there is a {self._noun} {name!r} already; expected another name")
            found[name] = value
        return dict(sorted(found.items()))

    def _name_in(self, module: ModuleType) -> str:
        """The name of what a module defines."""
        if self._name_of is not None:
            return self._name_of(getattr(module, self._expected))
        return module.__name__.rpartition(".")[2]


def _module_names(folder: str) -> Sequence[str]:
    return [info.name for info in pkgutil.iter_modules([folder]) if not info.name.startswith("_")]


def _files(folder: Path, name: str) -> tuple[Path, ...]:
    return folder / f"{name}.py", folder / name / "__init__.py", folder


def _import(name: str, file: Path, expected: str) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    except Exception as error:  # whatever a user's file may raise
        line = _line_of(error, file)
        raise InputError(f"{file}{line}: cannot be imported ({type(error).__name__}: {error}); mend it") from error
    if not hasattr(module, expected):
        raise InputError(
            f"{file}: defines no {expected}; expected one, or a file name that begins with _ for what others import"
        )
    return module


def _line_of(error: Exception, file: Path) -> str:
    """':LINE' of the file in which the error arose, if it did there."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f":{error.lineno}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f":{lines[-1]}" if lines else ""
