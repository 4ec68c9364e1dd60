"""helmflow's own modules from one kept file: in a process as short as one render, finding sixty files takes long.

Whatever Python would read again is read again: a module is taken from here only while its source is, by size and times,
the file that it was compiled from. Everything else is found in Python's own way.
"""

from __future__ import annotations

import marshal
import os
import sys
from _blake2 import blake2b  # hashlib's own, without what importing hashlib costs
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import SourceFileLoader

from helmflow import __version__
from helmflow.core.paths import cache_home_path, is_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, ModuleType
    from typing import Final

    State = tuple[int, int, int]  # of a source file: size, when its content changed, when anything of it did
    # Source file, its state, where Python keeps its byte code, whether it is a package, and the code's place and size.
    Entry = tuple[str, State, str, bool, int, int]

_FORMAT: Final = 1
_HEAD: Final = 16  # bytes before the index, which tell where it ends, and the file
_INDEX_SIZE: Final = 64 * 1024  # read at once; more is read where the index is longer
_YOUNG_NS: Final = 2_000_000_000  # files changed this short ago may change again within the clock's step
_OWN: Final = "helmflow."


class _Loader(SourceFileLoader):
    """Loads one module from the kept file."""

    def __init__(self, name: str, path: str, code: Callable[[], bytes]) -> None:
        super().__init__(name, path)
        self.code = code

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code."""
        try:
            made: CodeType = marshal.loads(self.code())
        except (EOFError, ValueError, TypeError, OSError):  # damaged
            return super().get_code(fullname)
        return made


class KeptModules:
    """What `sys.meta_path` asks first for modules."""

    def __init__(self, file: int, index: dict[str, Entry], start: int) -> None:
        self.file = file
        self.index = index
        self.start = start
        self.early = frozenset(name for name in sys.modules if name.startswith(_OWN))  # never asked for here

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's, where it is kept and its source has not changed."""
        entry = self.index.get(name)
        if entry is None:
            return None
        source, state, cached, is_package, at, size = entry
        try:
            if _state(source) != state:
                return None
        except OSError:
            return None
        loader = _Loader(name, source, lambda: os.pread(self.file, size, self.start + at))
        spec = ModuleSpec(name, loader, origin=source, is_package=is_package)
        spec.has_location = True
        spec.cached = cached
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(source)]
        return spec

    def fresh(self) -> list[str]:
        """The imported modules that were found in Python's own way although they could be kept."""
        return [
            name
            for name, module in sys.modules.items()
            if name.startswith(_OWN)
            and name not in self.early
            and type(getattr(module, "__loader__", None)) is SourceFileLoader
        ]

    def content(self, fresh: Sequence[str]) -> bytes:
        """The file with these modules too."""
        import time

        now = time.time_ns()
        index: dict[str, Entry] = {}
        codes: list[bytes] = []
        end = 0

        def add(name: str, entry: Entry, code: bytes) -> None:
            nonlocal end
            index[name] = (*entry[:4], end, len(code))
            codes.append(code)
            end += len(code)

        for name, entry in self.index.items():
            code = os.pread(self.file, entry[5], self.start + entry[4])
            if name not in fresh and len(code) == entry[5]:
                add(name, entry, code)
        for name in fresh:
            spec = sys.modules[name].__spec__
            source, loader = spec and spec.origin, spec and spec.loader
            if not spec or not source or not spec.cached or not isinstance(loader, SourceFileLoader):
                continue
            state = _state(source)
            code = marshal.dumps(loader.get_code(name))
            if now - max(state[1:]) > _YOUNG_NS and _state(source) == state:
                add(name, (source, state, spec.cached, loader.is_package(name), 0, 0), code)
        head = marshal.dumps(index)
        start = _HEAD + len(head)
        ends = start.to_bytes(_HEAD // 2) + (start + end).to_bytes(_HEAD // 2)
        return b"".join([ends, head, *codes])


_used: list[KeptModules] = []


def folder() -> str:
    """Where the files are: one for each installation and version of Python."""
    return cache_home_path("render/modules")


def use() -> None:
    """From now on take modules from the kept file, if there is one."""
    if _used or os.name != "posix":
        return
    opened, start = -1, 0
    index: dict[str, Entry] = {}
    try:
        if is_private(folder()):
            opened = os.open(f"{folder()}/{_key()}", os.O_RDONLY | os.O_CLOEXEC)
            index, start = _index(opened)
    except (OSError, EOFError, ValueError, TypeError):  # none yet, or damaged
        pass
    kept = KeptModules(opened, index, start)
    _used.append(kept)
    sys.meta_path.insert(0, kept)


def keep(store: Callable[[str, bytes], None]) -> None:
    """Where `use` was called, store what it did not find, for the next process; not where byte code is unwanted."""
    for kept in _used:
        fresh = kept.fresh()
        if fresh and not sys.dont_write_bytecode:
            try:
                content = kept.content(fresh)
            except (OSError, ImportError, SyntaxError, ValueError):  # changed under our hands
                continue
            store(_key(), content)


def _index(file: int) -> tuple[dict[str, Entry], int]:
    """What the file holds, and where the codes begin."""
    text = os.pread(file, _INDEX_SIZE, 0)
    start, end = int.from_bytes(text[: _HEAD // 2]), int.from_bytes(text[_HEAD // 2 : _HEAD])
    if start <= _HEAD or end != os.fstat(file).st_size:
        return {}, 0
    if start > len(text):
        text = os.pread(file, start, 0)
    index: dict[str, Entry] = marshal.loads(memoryview(text)[_HEAD:])
    return index, start


def _key() -> str:
    package = os.path.dirname(os.path.dirname(__file__))
    identity = f"{_FORMAT} {__version__} {sys.version} {sys.flags.optimize} {package}"
    return blake2b(identity.encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()


def _state(path: str) -> State:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
