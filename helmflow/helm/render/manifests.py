"""Rendered files to ordered manifests: splitting, sorting by kind, hooks apart."""

from __future__ import annotations

from helmflow.core import yaml_dialect
from helmflow.core.errors import ChartError, Mistake
from helmflow.core.ids import ObjectRef
from helmflow.core.lazy import pattern
from helmflow.core.records import dataclass, field
from helmflow.helm.chart.behaviour import HELM_4, Behaviour
from helmflow.helm.chart.model import CrdFile
from helmflow.helm.render import hooks, kinds
from helmflow.helm.render.hooks import ChartHook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, Final

_BLANK: Final = " \t\n\f\r"
_HEAD_STRUCT: Final = (
    'struct { Name string "json:\\"name\\""; Annotations map[string]string "json:\\"annotations\\"" }'
)


class Manifest:
    """One rendered document: its exact text, where it came from, and its content, parsed when first asked for.

    `ref.namespace` is what the document itself says, "" where it says nothing. `body` is shared: nobody changes it.
    """

    __slots__ = ("_body", "ref", "source_path", "text")

    def __init__(self, ref: ObjectRef, text: str, source_path: str, body: Any = None) -> None:
        self.ref = ref
        self.text = text
        self.source_path = source_path
        self._body = body

    @property
    def body(self) -> dict[str, Any]:
        """The document as data, {} where it is no map."""
        if self._body is None:
            self._body = yaml_dialect.load(self.text, name=self.source_path)
        return self._body if isinstance(self._body, dict) else {}

    def __repr__(self) -> str:
        return f"Manifest({self.ref}, {self.source_path!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Manifest):
            return NotImplemented
        return (self.ref, self.text, self.source_path) == (other.ref, other.text, other.source_path)

    def __hash__(self) -> int:
        return hash((self.ref, self.text, self.source_path))

    def __reduce__(self) -> tuple[Any, ...]:
        return Manifest, (self.ref, self.text, self.source_path)


@dataclass(frozen=True, slots=True)
class Head:
    """What Helm reads of a document before it does anything with it."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sorted:
    """Manifests and hooks in install order, and what was noticed."""

    manifests: tuple[Manifest, ...]
    hooks: tuple[ChartHook, ...]
    crds: tuple[Manifest, ...]
    warnings: tuple[Mistake, ...]


def split(text: str, behaviour: Behaviour = HELM_4) -> list[str]:
    """The documents of a file, as Helm 4.2 cuts them: at `---` at a line's start, whatever follows it on the line.

    Blank space before a separator goes, and blank space after it; the last document keeps its end. A separator right
    after another one is part of the document.
    """
    text = text.lstrip()
    start = 0
    if text.startswith("---"):
        start = _after_blank(text, 3)
    found = []
    while True:
        cut = text.find("\n---", start)
        piece = text[start:] if cut < 0 else text[start:cut].rstrip(_BLANK)
        if piece:
            found.append(piece.strip() if behaviour.trims_document_ends else piece.lstrip())
        if cut < 0:
            return found
        start = _after_blank(text, cut + 4)


def _after_blank(text: str, at: int) -> int:
    end = len(text)
    while at < end and text[at] in _BLANK:
        at += 1
    return at


def sort(files: Mapping[str, str], *, behaviour: Behaviour = HELM_4, legacy_hooks: object = False) -> Sorted:
    """Every document of the rendered files in Helm's install order. Raises ChartError `chart.manifest-syntax`.

    A hook with an event that Helm does not know is dropped with a warning. With `legacy_hooks`, crd-install makes a
    CRD that is applied first and test-failure a test, as in Helm 2.
    """
    plain: list[Manifest] = []
    found: list[ChartHook] = []
    crds: list[Manifest] = []
    warnings: list[Mistake] = []
    for path in sorted(files):
        content = files[path]
        if path.rpartition("/")[2].startswith("_") or not content.strip():
            continue
        for document in split(content, behaviour):
            head, body = read_head(document, path)
            manifest = Manifest(
                ObjectRef(head.api_version, head.kind, head.namespace, head.name), document, path, body
            )
            annotation = head.annotations.get(hooks.HOOK)
            if annotation is None:
                plain.append(manifest)
                continue
            events, unknown = hooks.events_of(annotation, legacy=bool(legacy_hooks))
            if not unknown:
                found.append(hooks.make_hook(manifest, head.annotations, events))
            elif legacy_hooks and unknown == hooks.CRD_INSTALL:
                crds.append(manifest)
            else:
                warnings.append(_unknown_hook(manifest, unknown))
    return Sorted(
        manifests=tuple(kinds.in_install_order(plain, lambda manifest: manifest.ref.kind, behaviour)),
        hooks=tuple(kinds.in_install_order(found, lambda hook: hook.manifest.ref.kind, behaviour)),
        crds=tuple(crds),
        warnings=tuple(warnings),
    )


def parse(text: str) -> tuple[Manifest, ...]:
    """The manifests in a stream such as a stored release's text, in its order; sources as its comments name them."""
    return tuple(_parsed(_stored_documents(text)))


def _stored_documents(text: str) -> Iterator[str]:
    """The documents of a stored release as the API server's clients cut them.

    Only the line break before a separator is not theirs: a literal block at a document's end keeps its own.
    """
    first, *rest = f"\n{text}".split("\n---")
    for document in (first, *(part.partition("\n")[2] for part in rest)):
        if document.strip():
            yield document.lstrip("\n")


def _parsed(documents: Iterable[str]) -> Iterator[Manifest]:
    for document in documents:
        first, _, rest = document.partition("\n")
        source = first.removeprefix("# Source: ").strip() if first.startswith("# Source: ") else ""
        text = rest if source else document
        head, body = read_head(text, source)
        if body is not None:
            yield Manifest(
                ObjectRef(head.api_version, head.kind, head.namespace, head.name), text, source, body
            )


def parse_crds(files: Iterable[CrdFile]) -> Iterator[Manifest]:
    """The documents of CRD files, which are no templates. Raises ChartError where one is no YAML."""
    for file in files:
        for document in split(file.text):
            head, body = read_head(document, file.filename)
            if body is not None:
                ref = ObjectRef(head.api_version, head.kind, head.namespace, head.name)
                yield Manifest(ref, document, file.filename, body)


def only(shown: str, patterns: Iterable[str]) -> str:
    """Those documents of a stream whose source, below its chart, matches one of the patterns, in their order.

    Raises ChartError for a pattern that nothing matches.
    """
    from helmflow.helm.chart.ignore import compile_pattern

    documents = split(shown)
    found: list[str] = []
    for wanted in patterns:
        matches = compile_pattern(wanted)
        chosen = [text for text in documents if (source := _SOURCE.search(text)) and matches(source[1])]
        if not chosen:
            raise ChartError(f"could not find template {wanted} in chart", error_id="chart.no-such-template")
        found += chosen
    return "".join(f"---\n{text}\n" for text in found)


_SOURCE: Final = pattern("# Source: [^/]+/(.+)")


def stream(manifests: Iterable[Manifest]) -> str:
    """The manifests as one text, each led by `---` and the file it came from."""
    return "".join(f"---\n# Source: {manifest.source_path}\n{manifest.text}\n" for manifest in manifests)


def _unreadable(document: str, path: str, error: yaml_dialect.YamlError | _Mismatch) -> ChartError:
    """The place is in what the template gave: the file's own lines are others."""
    from helmflow.core import yaml_hints
    from helmflow.core.source import SourceText, Span

    source = SourceText(f"{path} (rendered)", document)
    hint = "a document is a map with apiVersion, kind and metadata"
    span = Span(source, 1, 1, len(source.line(1)))
    if isinstance(error, yaml_dialect.YamlError):
        span = yaml_hints.place(error, source)
        hint = yaml_hints.hint(error, span)
    return ChartError(
        f"YAML parse error on {path}: {error}", error_id="chart.manifest-syntax", span=span, hint=hint
    )


_HEADS_LIMIT: Final = 4096
_heads: dict[
    str, tuple[Head, Any]
] = {}  # document -> head and body: most documents do not change from render to render


def read_head(document: str, path: str) -> tuple[Head, Any]:
    """The head and the whole content of a document. Raises ChartError with Helm's text naming `path`."""
    known = _heads.get(document)
    if known is not None:
        return known
    try:
        body = yaml_dialect.load(document)
        head = _head(body)
    except (yaml_dialect.YamlError, _Mismatch) as error:
        raise _unreadable(document, path, error) from None
    if len(_heads) >= _HEADS_LIMIT:
        _heads.clear()
    _heads[document] = head, body
    return head, body


def heads(most: int) -> list[tuple[str, str, str, str, str, dict[str, str]]]:
    """What the documents were that this process knows, as plain data."""
    return [
        (document, head.api_version, head.kind, head.name, head.namespace, dict(head.annotations))
        for document, (head, _) in list(_heads.items())[-most:]
    ]


def know_heads(stored: Iterable[tuple[str, str, str, str, str, dict[str, str]]]) -> None:
    """Take over what another process read: these documents need not be read to be sorted."""
    for document, api_version, kind, name, namespace, noted in stored:
        _heads.setdefault(document, (Head(api_version, kind, name, namespace, noted), None))


class _Mismatch(Exception):
    """A field of the wrong type, in the words of Go's JSON decoder."""

    def __init__(self, value: Any, where: str) -> None:
        from helmflow.helm.chart.metadata import json_type

        super().__init__(
            f"error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {json_type(value)} into {where}"
        )


def _head(body: Any) -> Head:
    if body is None:
        return Head()
    if type(body) is not dict:
        raise _Mismatch(body, "Go value of type util.SimpleHead")
    api_version = body.get("apiVersion")
    kind = body.get("kind")
    metadata = body.get("metadata")
    if type(api_version) is not str or type(kind) is not str or type(metadata) is not dict:
        return _unusual_head(body)
    name = metadata.get("name")
    annotations = metadata.get("annotations")
    if type(name) is not str or not (annotations is None or type(annotations) is dict):
        return _unusual_head(body)
    if annotations:
        annotations = {
            key: value if type(value) is str else _text(value, ".metadata.annotations")
            for key, value in annotations.items()
        }
    namespace = metadata.get("namespace")
    return Head(api_version, kind, name, namespace if type(namespace) is str else "", annotations or {})


def _unusual_head(body: dict[str, Any]) -> Head:
    """Keys in any case, numbers as text, nulls: what Go's decoder takes, in the order in which it meets them."""
    api_version = kind = name = ""
    namespace = ""
    annotations: dict[str, str] = {}
    for key in sorted(body):
        value = body[key]
        match key.lower():
            case "apiversion":
                api_version = _text(value, "SimpleHead.apiVersion", api_version)
            case "kind":
                kind = _text(value, "SimpleHead.kind", kind)
            case "metadata" if value is not None:
                if not isinstance(value, dict):
                    raise _Mismatch(value, f"Go struct field SimpleHead.metadata of type {_HEAD_STRUCT}")
                for inner in sorted(value):
                    item = value[inner]
                    match inner.lower():
                        case "name":
                            name = _text(item, ".metadata.name", name)
                        case "annotations" if item is not None:
                            if not isinstance(item, dict):
                                raise _Mismatch(
                                    item, "Go struct field .metadata.annotations of type map[string]string"
                                )
                            annotations = {k: _text(item[k], ".metadata.annotations") for k in sorted(item)}
                        case "namespace" if isinstance(item, str):
                            namespace = item
    return Head(api_version, kind, name, namespace, annotations)


def _text(value: Any, where: str, before: str = "") -> str:
    match value:
        case None:
            return before
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            from helmflow.helm.chart.metadata import go_number

            return go_number(int(value) if value.is_integer() else value)
    raise _Mismatch(value, f"Go struct field {where} of type string")


def _unknown_hook(manifest: Manifest, event: str) -> Mistake:
    hint = ""
    if event == hooks.CRD_INSTALL:
        hint = "move the CRD to crds/, or use --legacy-hooks"
    elif event == "test-failure":
        hint = "use the event test, or --legacy-hooks"
    return Mistake(
        f"{manifest.source_path}: {manifest.ref} is left out: {event!r} is no hook event of Helm's",
        error_id="chart.unknown-hook",
        hint=hint,
    )
