"""Helm's lint rules on templates: that they render, and that what they give are sensible Kubernetes objects."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from helmflow.core.errors import HelmflowError
from helmflow.core.go_json import go_quote
from helmflow.core.lazy import pattern
from helmflow.helm.chart import deprecated_apis, lint, lint_documents
from helmflow.helm.chart.capabilities import Capabilities

if TYPE_CHECKING:
    from helmflow.helm.chart.lint import Linter
    from helmflow.helm.chart.lint_documents import Document

_FOLDER: Final = "templates/"
_EXTENSIONS: Final = (".yaml", ".yml", ".tpl", ".txt")
_CLIENT_MINOR: Final = 36  # the Kubernetes that Helm 4.2 is built with


def check(
    linter: Linter,
    values: dict[str, Any],
    namespace: str,
    capabilities: Capabilities | None,
    skip_schema: object,
) -> None:
    """Every rule; a chart that does not load or render ends it."""
    path = os.path.join(linter.directory, "templates")
    exists = None if os.path.exists(path) else "directory does not exist"
    if not linter.check(lint.Severity.WARNING, _FOLDER, exists):
        return
    is_folder = None if os.path.isdir(path) else "not a directory"
    if not linter.check(lint.Severity.ERROR, _FOLDER, is_folder):
        return
    chart, problem = lint.loaded(linter.directory)
    if chart is None:
        linter.check(lint.Severity.ERROR, _FOLDER, problem)
        return
    from helmflow.helm.render.engine import RenderOptions, prepare, render_files

    options = RenderOptions(
        release_name="test-release",
        namespace=namespace,
        capabilities=capabilities or Capabilities(),
        lint=True,
        installable=False,
        skip_schema_validation=bool(skip_schema),
    )
    try:
        prepared = prepare(chart, values, options)
        rendered = render_files(prepared.chart, prepared.values, options)
    except HelmflowError as error:
        if error.error_id != "values.not-a-table":  # Helm gives up silently
            linter.check(lint.Severity.ERROR, _FOLDER, str(error))
        return
    minor = int(capabilities.major_minor[1]) if capabilities else _CLIENT_MINOR
    for file in chart.templates:
        text = rendered.get(f"{chart.name}/{file.name}", "")
        if not _file(linter, file.name, text, minor):
            return


def _file(linter: Linter, name: str, text: str, minor: int) -> bool:
    """The rules on one file; whether its documents could be read."""
    extension = os.path.splitext("x" + name.rpartition("/")[2])[1]
    valid = ".yaml, .yml, .tpl, or .txt"
    wrong = f"file extension '{extension}' not valid. Valid extensions are {valid}"
    linter.check(lint.Severity.ERROR, name, None if extension in _EXTENSIONS else wrong)
    if extension.lower() not in (".yaml", ".yml") or not text.strip():
        return True
    linter.check(lint.Severity.WARNING, name, _indented(text))
    for document in lint_documents.read(text):
        if isinstance(document, str):
            linter.check(lint.Severity.ERROR, name, f"unable to parse YAML: {document}")
            return False
        linter.check(lint.Severity.WARNING, name, name_problem(document.kind, document.name))
        if document.api_version and document.kind:
            told = deprecated_apis.warning(document.api_version, document.kind, minor)
            linter.check(lint.Severity.WARNING, name, told)
        linter.check(lint.Severity.ERROR, name, _selector(document, text))
        linter.check(lint.Severity.ERROR, name, _list_annotations(document))
    return True


def _indented(text: str) -> str | None:
    line = next(line for line in text.split("\n") if line.strip())
    if not line.startswith((" ", "\t")):
        return None
    shown = go_quote(line.removesuffix("\r"))
    return f"document starts with an illegal indent: {shown}, which may cause parsing problems"


def _selector(document: Document, text: str) -> str | None:
    if document.kind not in ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet"):
        return None
    if "matchLabels" in text or "matchExpressions" in text:
        return None
    return f"a {document.kind} must contain matchLabels or matchExpressions, and {go_quote(document.name)} does not"


def _list_annotations(document: Document) -> str | None:
    if document.kind != "List":
        return None
    items = document.body.get("items")
    for item in items if isinstance(items, list) else ():
        metadata = item.get("metadata") if isinstance(item, dict) else None
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        if isinstance(annotations, dict) and "helm.sh/resource-policy" in annotations:
            return "annotation 'helm.sh/resource-policy' within List objects are ignored"
    return None


_SUBDOMAIN: Final = pattern(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL: Final = pattern(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035: Final = pattern(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_RULES: Final = {
    "service": (
        _LABEL_1035, 63,
        ("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
         "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123'"),
    ),
    "namespace": (
        _LABEL, 63,
        ("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
         "with an alphanumeric character (e.g. 'my-name',  or '123-abc'"),
    ),
}  # fmt: skip
_SUBDOMAIN_RULE: Final = (
    _SUBDOMAIN,
    253,
    (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'example.com'"
    ),
)
_RBAC: Final = ("role", "clusterrole", "rolebinding", "clusterrolebinding")


def name_problem(kind: str, name: str) -> str | None:
    """Why Kubernetes would refuse an object's name, in its own words."""
    folded = kind.lower()
    if folded == "certificatesigningrequest":
        return None
    if folded in _RBAC:
        problems = _path_segment_problems(name)
    else:
        pattern, longest, text = _RULES.get(folded, _SUBDOMAIN_RULE)
        problems = [] if len(name.encode()) <= longest else [f"must be no more than {longest} characters"]
        if not pattern.fullmatch(name):
            problems.append(f"{text}, regex used for validation is '{pattern.pattern}')")
    if not problems:
        return None
    quoted = go_quote(name)
    told = [f"metadata.name: Invalid value: {quoted}: {problem}" for problem in problems]
    joined = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    return f"object name does not conform to Kubernetes naming requirements: {quoted}: {joined}"


def _path_segment_problems(name: str) -> list[str]:
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{sign}'" for sign in "/%" if sign in name]
