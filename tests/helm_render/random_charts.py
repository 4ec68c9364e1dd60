"""Random whole charts: templates over the language and the sprig map, subcharts, conditions, aliases, globals, tpl."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.gotemplate.test_back_ends import Writer, fresh_data
from tests.sprig.expressions import Expressions, focused

OUTER = '{{ include "c/templates/_case.tpl" .Values.data }}'
LEAVES = ("text", "", 0.0, 3.0, 1.5, True, False, 1000000.0, "a: b", "{{ .Values.global }}", "yes")
HELPERS = ("shared", "label", "c.own", "red.own")
DOTS = (".", "$", '(dict "Values" .Values)')
KEYS = ("a", "b", "enabled", "tags", "global", "image", "replicas")


@dataclass(frozen=True, slots=True)
class Case:
    """A chart's files without the leading folder, what the user sets, and the release."""

    files: dict[str, str]
    values: dict[str, Any]
    name: str
    namespace: str


def case(seed: int) -> Case:
    """The case that a seed stands for."""
    source = Random(seed)
    kind = source.random()
    if kind < 0.35:
        return _single(Writer(seed).template(), fresh_data())
    if kind < 0.5:
        return _single(*Expressions(seed).next())
    if kind < 0.6:
        return _single(*next(focused(seed)))
    return _Chart(source).case()


def _single(template: str, data: dict[str, Any]) -> Case:
    files = {
        "Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
        "templates/_case.tpl": template,
        "templates/outer.yaml": OUTER,
    }
    return Case(files, {"data": data}, "c", "default")


class _Chart:
    """Writes one parent with up to three dependencies."""

    def __init__(self, source: Random) -> None:
        self.source = source
        self.files: dict[str, str] = {}

    def case(self) -> Case:
        """The whole chart with values for it."""
        subs = [name for name in ("red", "blue", "green") if self.source.random() < 0.6]
        dependencies = []
        names = []
        for sub in subs:
            self._chart(f"charts/{sub}/", sub, [], 2)
            for alias in self._aliases():
                entry: dict[str, Any] = {"name": sub, "version": "0.1.0", "repository": ""}
                if alias:
                    entry["alias"] = alias
                names.append(alias or sub)
                if self.source.random() < 0.5:
                    paths = (f"{alias or sub}.enabled", "global.a", "b.enabled", "enabled", "missing.path")
                    entry["condition"] = ",".join(self.source.sample(paths, self.source.choice((1, 1, 2))))
                if self.source.random() < 0.4:
                    entry["tags"] = self.source.sample(["front", "back"], self.source.choice((1, 2)))
                if self.source.random() < 0.4:
                    entry["import-values"] = self.source.sample(
                        [
                            "data",
                            "other",
                            {"child": "a", "parent": "b"},
                            {"child": "image", "parent": "image"},
                        ],
                        2,
                    )
                dependencies.append(entry)
        self._chart("", "c", dependencies, 3)
        return Case(
            self.files, self._values(names, 2), *self.source.choice((("c", "default"), ("rel", "ns")))
        )

    def _aliases(self) -> list[str]:
        return self.source.choice(([""], [""], [""], ["one"], ["", "two"], ["one", "two"]))

    def _chart(self, folder: str, name: str, dependencies: list[dict[str, Any]], templates: int) -> None:
        meta: dict[str, Any] = {"apiVersion": "v2", "name": name, "version": "0.1.0", "appVersion": "1.2"}
        if dependencies:
            meta["dependencies"] = dependencies
        names = [entry.get("alias", entry["name"]) for entry in dependencies]
        self.files[f"{folder}Chart.yaml"] = json.dumps(meta)
        if self.source.random() < 0.9:
            values = self._values(names, 1)
            if self.source.random() < 0.4:
                values["exports"] = {"data": self._tree(1), "other": {"a": 1.0}}
            self.files[f"{folder}values.yaml"] = json.dumps(values)
        self.files[f"{folder}templates/_helpers.tpl"] = "".join(
            f'{{{{ define "{each}" }}}}{self._part(1)}{{{{ end }}}}\n'
            for each in (f"{name}.own", "shared", "label")
            if self.source.random() < 0.8
        )
        self.files[f"{folder}config/a.txt"] = "x: {{ .Values.a }}\nline"
        for number in range(templates):
            body = "".join(self._part(2) for _ in range(self.source.randint(1, 5)))
            self.files[f"{folder}templates/t{number}.yaml"] = body

    def _part(self, depth: int) -> str:
        pick = self.source.choice
        path = ".Values." + pick(KEYS)
        if self.source.random() < 0.3:
            path += "." + pick(KEYS)
        plain = [
            f"a: {{{{ {path} }}}}\n",
            f"{{{{- {path} | toYaml | nindent 2 }}}}\n",
            f"{{{{ {path} | toJson }}}}\n",
            f'{{{{ {path} | default "d" | quote }}}}',
            "{{ .Values | toYaml }}\n",
            "{{ toJson .Values }}\n",
            "{{ .Release.Name }}-{{ .Chart.Name }}-{{ .Chart.AppVersion }} {{ .Template.Name }} {{ .Template.BasePath }}\n",
            "{{ .Release.IsInstall }}{{ .Release.Revision }}{{ .Release.Service }}{{ .Chart.IsRoot }}\n",
            '{{ .Files.Get "config/a.txt" }}{{ (.Files.Glob "config/*").AsConfig }}',
            '{{ range $p, $_ := .Files.Glob "**" }}{{ $p }} {{ end }}',
            '{{ .Capabilities.APIVersions.Has "v1" }}{{ .Capabilities.KubeVersion.Major | kindOf }}',
            '{{ keys .Subcharts | sortAlpha | join "," }}',
            f'{{{{ tpl "{{{{ .Values.{pick(KEYS)} }}}}<{{{{ .Release.Name }}}}>" . }}}}',
            f"{{{{ tpl (toString {path}) $ }}}}",
            '{{ tpl (.Files.Get "config/a.txt") (dict "Values" .Values "Template" .Template) }}',
            f"{{{{ typeOf {path} }}}} {{{{ kindOf {path} }}}}",
            f'{{{{ $_ := set .Values "{pick(KEYS)}" "changed" }}}}',
            f'{{{{ required "needed" {path} }}}}',
            f"{{{{ {path} | int }}}} {{{{ {path} }}}}",
            '{{ dig "a" "b" "none" (.Values | merge (dict)) }}',
            "{{ .Values.global }} {{ .Values.global.a }}\n",
            " text\n",
        ]
        if not depth:
            return pick(plain)
        inner = self._part(depth - 1)
        return pick(
            [
                *plain,
                f'{{{{ include "{pick(HELPERS)}" {pick((*DOTS, path))} }}}}\n',
                f'{{{{ template "{pick(("shared", "label"))}" {pick((".", "$"))} }}}}\n',
                f'{{{{ include "{pick(("shared", "label"))}" . | indent 2 | trim }}}}\n',
                f"{{{{ if {path} }}}}{inner}{{{{ else }}}}no{{{{ end }}}}\n",
                f"{{{{ with {path} }}}}{{{{ . }}}}{{{{ else }}}}{inner}{{{{ end }}}}\n",
                f"{{{{ range $k, $v := {path} }}}}{{{{ $k }}}}={{{{ $v | toJson }}}};{{{{ end }}}}\n",
                f"{{{{ range {path} }}}}{{{{ . }}}}{{{{ $.Release.Name }}}}{{{{ end }}}}\n",
                f"{{{{ if and {path} (not .Values.{pick(KEYS)}) }}}}{inner}{{{{ end }}}}\n",
                f'{{{{ define "local" }}}}{inner}{{{{ end }}}}{{{{ include "local" . }}}}',
                f'{{{{ block "blocked" . }}}}{inner}{{{{ end }}}}',
            ]
        )

    def _values(self, subcharts: list[str], depth: int) -> dict[str, Any]:
        values = self._tree(depth)
        for name in subcharts:
            if self.source.random() < 0.6:
                values[name] = self._tree(depth) if self.source.random() < 0.9 else self._leaf()
                if isinstance(values[name], dict) and self.source.random() < 0.5:
                    values[name]["enabled"] = self.source.choice((True, False, True, "yes", None))
        if self.source.random() < 0.3:
            values["tags"] = {key: self.source.random() < 0.5 for key in ("front", "back")}
        if self.source.random() < 0.4:
            values["global"] = self._tree(1)
        return values

    def _tree(self, depth: int) -> dict[str, Any]:
        return {key: self._value(depth) for key in KEYS if key != "tags" and self.source.random() < 0.45}

    def _value(self, depth: int) -> Any:
        roll = self.source.random()
        if depth and roll < 0.35:
            return self._tree(depth - 1)
        if depth and roll < 0.45:
            return [self._value(depth - 1) for _ in range(self.source.randrange(3))]
        return None if roll > 0.92 else self._leaf()

    def _leaf(self) -> Any:
        return self.source.choice(LEAVES)
