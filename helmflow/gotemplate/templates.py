"""TemplateSet: templates that know each other by name: parse, redefine, clone, execute."""

from __future__ import annotations

import marshal
import sys

from helmflow.core import lazy
from helmflow.core.lazy import FunctionType
from helmflow.core.limits import MAX_TEMPLATE_TEXT_BYTES
from helmflow.core.source import SourceText
from helmflow.gotemplate import builtins, linking, runtime
from helmflow.gotemplate.errors import ExecError, ParseError
from helmflow.gotemplate.functions import Function, FunctionError, Late
from helmflow.gotemplate.strconv import quote
from helmflow.gotemplate.trees import Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import CodeType
    from typing import Any, Final

    from helmflow.gotemplate import closures, nodes, parser, sources
    from helmflow.gotemplate.program_cache import Entry, ProgramCache, StoredText, StoredTree
    from helmflow.gotemplate.quickparse import Fragment
else:  # a process that has every program from the cache needs neither
    closures = lazy.module("helmflow.gotemplate.closures")
    nodes = lazy.module("helmflow.gotemplate.nodes")
    parser = lazy.module("helmflow.gotemplate.parser")
    sources = lazy.module("helmflow.gotemplate.sources")

RECURSION_LIMIT: Final = (
    60_000  # Python frames: an include 1,000 deep through several templates needs about 20,000
)
RUNS_BEFORE_COMPILING: Final = 300  # in one render; a template that a second render needs is compiled at once
MAX_KNOWN_FILES: Final = 5_000  # parsed texts kept in memory; large charts have about 300


class Template:
    """A name, the file that the template was parsed from, and its tree."""

    __slots__ = ("file", "name", "tree")

    def __init__(self, name: str, file: str, tree: Tree) -> None:
        self.name = name
        self.file = file
        self.tree = tree


class Parsed:
    """A parsed text: its own tree and those it defines. `filled` are the defines that have a body."""

    __slots__ = ("blank", "defines", "filled", "main", "text")

    def __init__(
        self, text: str, main: Tree, defines: dict[str, Tree], *, blank: object, filled: dict[str, Tree]
    ) -> None:
        self.text = text
        self.main = main
        self.defines = defines
        self.blank = bool(blank)
        self.filled = filled


class _Known:
    """What was parsed and compiled for one set of functions. `fixed` are those that every run shares."""

    __slots__ = ("actions", "files", "fixed", "functions", "namespace")

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self.actions: dict[str, Fragment] = {}
        self.files: dict[str, Parsed] = {}
        self.functions: dict[str, Function] = {**builtins.FUNCTIONS, **functions}
        self.fixed = frozenset(name for name, one in self.functions.items() if _is_fixed(one))
        self.namespace = linking.namespace(self.functions, self.fixed)

    def link(self, code: CodeType) -> linking.Program:
        """The program."""
        return linking.link(code, self.namespace)


def _is_fixed(function: Function) -> bool:
    """Whether the body is a plain module function: methods and inner functions belong to one run."""
    return type(function.call) is Late or (
        isinstance(function.call, FunctionType) and "<locals>" not in function.call.__qualname__
    )


# By mode and functions: trees carry executable forms, which depend on both. Fixed functions count by body, those of one
# run by signature. _FIXED remembers what is fixed, by identity, and keeps the identities from being used again.
_KNOWN: Final[dict[tuple[object, ...], _Known]] = {}
_FIXED: Final[dict[int, tuple[Function, object]]] = {}
_MAX_FIXED: Final = 5_000


def _known_for(
    functions: Mapping[str, Function], missing_key: str
) -> tuple[_Known, dict[str, Callable[..., Any]]]:
    """What is known for the functions, and the bodies that belong to this run."""
    varying: dict[str, Callable[..., Any]] = {}
    parts: list[object] = []
    for name, one in functions.items():
        seen = _FIXED.get(id(one))
        if seen is not None:
            parts.append(seen[1])
            continue
        signature = (one.params, one.variadic, one.returns)
        if not _is_fixed(one):
            varying[name] = one.call
            parts.append(signature)
            continue
        part = (one.call, signature)
        if len(_FIXED) < _MAX_FIXED:
            _FIXED[id(one)] = (one, part)
        parts.append(part)
    key = (missing_key, tuple(functions), tuple(parts))
    known = _KNOWN.get(key)
    if known is None:
        known = _KNOWN[key] = _Known(functions)
    return known, varying


class TemplateSet:
    """Named templates with one function map.

    `missing_key` is "zero" (Helm), "error" (Helm --strict) or "default" (Go's own, `<no value>` for everything missing).
    Parsing and compiling are remembered by content, so a set is cheap to build again from texts seen before.
    """

    def __init__(
        self,
        functions: Mapping[str, Function],
        missing_key: str = "zero",
        budget: runtime.Budget | None = None,
    ) -> None:
        self._known, self.calls = _known_for(functions, missing_key)
        self.functions = self._known.functions  # for their signatures; `calls` has the bodies of this run
        self.missing_key = missing_key
        self.budget = budget or runtime.Budget()
        self.templates: dict[str, Template] = {}
        self.entry: Entry | None = None  # what a cache has of these templates

    def parse(self, name: str, text: str) -> None:
        """Add a file and its defines; the last parse of a name wins unless its body is empty. Raises ParseError."""
        self.add(name, self.parse_text(name, text))

    def parse_text(self, name: str, text: str) -> Parsed:
        """Parse without adding. Raises ParseError, with the name in its text."""
        parsed = self._known.files.get(text)
        if parsed is None:
            main, defines = parser.FileParser(name, text, self.functions, self._known.actions).parse()
            filled = {name: tree for name, tree in defines.items() if not nodes.is_empty(tree.items)}
            parsed = Parsed(text, main, defines, blank=nodes.is_empty(main.items), filled=filled)
            self._remember(text, parsed)
            if self.entry is not None:
                self.entry.new[text] = None
        return parsed

    def _remember(self, text: str, parsed: Parsed) -> None:
        if len(self._known.files) >= MAX_KNOWN_FILES:
            self._known.files.clear()
        self._known.files[text] = parsed

    # -- programs kept between processes ------------------------------------------------------------------------

    def load_programs(self, texts: Mapping[str, bytes], cache: ProgramCache) -> bool:
        """Take the programs of exactly these texts, given with their digests, from the cache: they need not be parsed
        then; and those of the texts that `tpl` met in them. Whether there were any."""
        from helmflow.gotemplate import program_cache

        key = program_cache.key_of(texts.values(), self.functions, self.fixed, self.missing_key)
        entry = self.entry = program_cache.Entry(key, tuple(texts))
        stored = program_cache.unpack(cache.load(key))
        if stored is None or len(stored) != len(texts):
            return False
        entry.complete = True
        entry.met = program_cache.unpack(cache.load(f"{key}-tpl")) or {}
        self._restore(zip(texts, stored, strict=True))
        self._restore(entry.met.items())
        return True

    def save_programs(self, cache: ProgramCache, *, met_too: object = True) -> None:
        """Compile what `load_programs` did not find and keep it, for the next process. Takes longer than rendering did.

        With `met_too`, also what `tpl` met: texts from values, which may hold secrets where values do.
        """
        from helmflow.gotemplate import program_cache

        entry = self.entry
        if entry is None:
            return
        if not entry.complete:
            cache.store(entry.key, program_cache.pack([self._stored(text) for text in entry.texts]))
            entry.complete = True
        met = [text for text in entry.new if text not in entry.texts] if met_too else []
        if met:
            entry.met.update((text, self._stored(text)) for text in met[-program_cache.MAX_MET :])
            entry.met = dict(list(entry.met.items())[-program_cache.MAX_MET :])
            cache.store(f"{entry.key}-tpl", program_cache.pack(entry.met))
        entry.new.clear()

    def _restore(self, stored: Iterable[tuple[str, StoredText]]) -> None:
        known = self._known.files
        for text, (main, defines) in stored:
            if text not in known:
                trees = {name: self._restored(text, tree, name) for name, tree in defines.items()}
                filled = {name: tree for name, tree in trees.items() if not defines[name][0]}
                self._remember(
                    text, Parsed(text, self._restored(text, main, None), trees, blank=main[0], filled=filled)
                )

    def _restored(self, text: str, stored: StoredTree, name: str | None) -> Tree:
        tree = Tree(text, None, set(), set())
        tree.defined = name
        tree.kept = stored[1]
        return tree

    def _stored(self, text: str) -> StoredText:
        parsed = self.parse_text("", text)
        defines = {
            name: (name not in parsed.filled, self._code(tree)) for name, tree in parsed.defines.items()
        }
        return (parsed.blank, self._code(parsed.main)), defines

    def _code(self, tree: Tree) -> bytes:
        """The program's code as it is kept, empty where there is none."""
        if tree.kept:
            return tree.kept
        if tree.program:
            return marshal.dumps(tree.program.__code__)
        if tree.program is False or self.missing_key != "zero":
            return b""
        self._whole(tree)
        code = sources.compile_tree(tree, self.functions, self.fixed)
        return b"" if code is None else marshal.dumps(code)

    def _whole(self, tree: Tree) -> None:
        """Parse a tree that came without its body."""
        if tree.body is None:
            main, defines = parser.FileParser("", tree.text, self.functions, self._known.actions).parse()
            parsed = main if tree.defined is None else defines[tree.defined]
            tree.body, tree.assigned, tree.range_assigned = (
                parsed.items,
                parsed.assigned,
                parsed.range_assigned,
            )

    def bodies(self) -> dict[str, list[nodes.Item]]:
        """Every template's body by its name; texts whose programs came from a cache are parsed now."""
        for template in self.templates.values():
            self._whole(template.tree)
        return {name: template.tree.items for name, template in self.templates.items()}

    def add(self, name: str, parsed: Parsed) -> None:
        """Add a parsed text under a name. Raises ParseError where the text defines that name itself."""
        if name in parsed.filled and not parsed.blank:
            line = 1 + parsed.text.count("\n")
            reason = f"template: multiple definition of template {quote(name)}"
            raise ParseError(name, line, reason, SourceText(name, parsed.text))
        templates = self.templates
        if not parsed.blank or name not in templates:
            templates[name] = Template(name, name, parsed.main)
        if len(parsed.filled) != len(parsed.defines):
            for defined, tree in parsed.defines.items():
                if defined not in templates:
                    templates[defined] = Template(defined, name, tree)
        for defined, tree in parsed.filled.items():
            templates[defined] = Template(defined, name, tree)

    def execute(self, name: str, data: Any) -> str:
        """The template's output. Raises ExecError; a name that is not defined is FunctionError with Go's text."""
        template = self.templates.get(name)
        if template is None:
            raise FunctionError(f'template: no template {quote(name)} associated with template "gotpl"')
        if sys.getrecursionlimit() < RECURSION_LIMIT:
            sys.setrecursionlimit(RECURSION_LIMIT)
        try:
            program = template.tree.program
            text: str = program(data, self, template) if program else self.run(template, data)
        except RecursionError:
            raise ExecError(location="", executing=name, node="", reason=runtime.TOO_DEEP) from None
        if len(text) > MAX_TEMPLATE_TEXT_BYTES:
            raise runtime.unplaced(template)
        return text

    def execute_text(self, name: str, parsed: Parsed, data: Any) -> str:
        """The output of a parsed text that is not in the set and defines nothing."""
        return self.run(Template(name, name, parsed.main), data)

    def run(self, template: Template, data: Any) -> str:
        """The output of a template that was looked up before. Raises ExecError."""
        program = template.tree.program
        if program:
            text: str = program(data, self, template)
            if len(text) > MAX_TEMPLATE_TEXT_BYTES:
                raise runtime.unplaced(template)
            return text
        tree = template.tree
        if tree.kept and program is None:
            tree.program = self._known.link(marshal.loads(tree.kept))
            return self.run(template, data)
        tree.runs += 1
        if program is None and (
            tree.runs > RUNS_BEFORE_COMPILING or (tree.render is not None and tree.render is not self.budget)
        ):
            return self._compiled(template)(data, self, template)
        tree.render = self.budget
        if tree.body is None:
            self._whole(tree)
        return closures.run(template, self, data)

    def _compiled(self, template: Template) -> linking.Program:
        tree, known = template.tree, self._known
        self._whole(tree)
        code = sources.compile_tree(tree, self.functions, known.fixed) if self.missing_key == "zero" else None
        if code is None:
            tree.program = False
            return lambda data, templates, one: closures.run(one, templates, data)
        tree.program = program = known.link(code)
        tree.closures = None
        return program

    def blame(self, error: Exception, template: Template) -> Exception:
        """What a generated program raises instead of an error that it met."""
        self._whole(template.tree)
        return sources.blame(error, template, self.functions, self._known.fixed)

    @property
    def fixed(self) -> frozenset[str]:
        """The functions whose bodies every run shares."""
        return self._known.fixed

    def defined(self, name: str) -> bool:
        """Whether there is a template of this name."""
        return name in self.templates

    def renew(self, calls: dict[str, Callable[..., Any]]) -> TemplateSet:
        """The same templates for another run with a budget of its own: `calls` are the bodies that belong to it.

        The templates are shared: neither set may be added to from now on.
        """
        other = TemplateSet.__new__(TemplateSet)
        other._known, other.functions, other.missing_key = self._known, self.functions, self.missing_key
        other.calls = calls
        other.budget = runtime.Budget()
        other.templates, other.entry = self.templates, self.entry
        return other

    def clone(self) -> TemplateSet:
        """A set that starts equal and then goes its own way, within the same budget."""
        other = TemplateSet.__new__(TemplateSet)
        other._known, other.calls, other.functions = self._known, self.calls, self.functions
        other.missing_key, other.budget = self.missing_key, self.budget
        other.templates, other.entry = dict(self.templates), self.entry
        return other
