"""State mistakes as people see them: place, message, hint, stable id; several in one file together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from helmflow.providers.state_ports import state_ports
from tests.state import drive


@dataclass(frozen=True)
class Case:
    """Files, arguments, and each mistake as `id place: message [hint]`."""

    files: dict[str, str]
    want: list[str]
    argv: list[str] = field(default_factory=lambda: ["list"])
    code: int = 1


def _one(
    text: str, *want: str, argv: list[str] | None = None, code: int = 1, name: str = "helmfile.yaml"
) -> Case:
    return Case({name: text}, list(want), argv or ["list"], code)


CASES: dict[str, Case] = {
    "unknown-key": _one(
        "releases:\n- name: a\n  chart: ./c\n  namspace: x\n",
        "state.unknown-key helmfile.yaml:4:3: unknown key 'namspace' in releases [did you mean 'namespace'?]",
    ),
    "several-mistakes": _one(
        "commonlabels: {}\nhelmDefaults:\n  wiat: true\n  timeout: 5m\nreleases:\n- name: a\n  chart: [x]\n",
        "state.unknown-key helmfile.yaml:1:1: unknown key 'commonlabels' [did you mean 'commonLabels'?]",
        "state.unknown-key helmfile.yaml:3:3: unknown key 'wiat' in helmDefaults [did you mean 'wait'?]",
        "state.wrong-type helmfile.yaml:4:12: helmDefaults.timeout must be a whole number, not '5m' [write a whole number, such as 5]",
        "state.wrong-type helmfile.yaml:7:10: releases[0].chart must be a text, not a list [write one value behind the colon]",
    ),
    "removed-key": _one(
        "charts: []\n",
        "state.unknown-key helmfile.yaml:1:1: unknown key 'charts' [Helmfile 1 removed `charts`: name it `releases`]",
    ),
    "duplicate-key": _one(
        "releases:\n- name: a\n  name: b\n  chart: ./c\n",
        "state.duplicate-key helmfile.yaml:3:3: key 'name' is already written at line 2 [remove one of them]",
    ),
    "bad-yaml": _one(
        "releases:\n- name: a\n  chart: [\n",
        "state.yaml helmfile.yaml:3:11: yaml: line 3: did not find expected node content "
        "[a bracket above is not closed, or a value is missing]",
    ),
    "template-in-plain-file": _one(
        "releases:\n- name: {{ .Environment.Name }}\n  chart: ./c\n",
        "state.wrong-type helmfile.yaml:2:9: releases[0].name must be a text, not a map "
        "[only files whose name ends in .gotmpl are templates: rename the file to add .gotmpl]",
    ),
    "bad-choice": _one(
        "releases:\n- {name: a, chart: ./c, missingFileHandler: Wran}\n",
        "state.bad-choice helmfile.yaml:2:45: releases[0].missingFileHandler is 'Wran': it must be one of Error, Warn, "
        "Info, Debug [did you mean 'Warn'?]",
    ),
    "duplicate-release": _one(
        "releases:\n- {name: a, chart: ./c}\n- {name: a, chart: ./d}\n",
        'state.duplicate-release helmfile.yaml:3:3: duplicate release "a" found: there were 2 releases named "a" '
        "matching specified selector [the first is at helmfile.yaml:2:3]",
    ),
    "cycle": _one(
        "releases:\n- {name: a, chart: ./c, needs: [b]}\n- {name: b, chart: ./c, needs: [c]}\n"
        "- {name: c, chart: ./c, needs: [a]}\n",
        "needs.cycle helmfile.yaml:2:33: cycle detected: a -> b -> c -> a [remove one of these needs]",
        argv=["show-dag"],
    ),
    "undefined-need": _one(
        "releases:\n- {name: app, namespace: x, chart: ./c, needs: [x/cach]}\n- {name: cache, namespace: x, chart: ./c}\n",
        'needs.undefined helmfile.yaml:2:49: release(s) "x/app" depend(s) on an undefined release "x/cach". Perhaps you '
        'made a typo in "needs" or forgot defining a release named "cach" with appropriate "namespace" and '
        "\"kubeContext\"? [did you mean 'x/cache'?]",
        argv=["show-dag"],
    ),
    "unknown-environment": _one(
        "environments:\n  production: {}\n---\nreleases:\n- {name: a, chart: ./c}\n",
        "state.no-releases None: no releases found that matches specified selector() and environment(prodution), in any "
        "helmfile [environment 'prodution' is not defined: did you mean 'production'?]",
        argv=["-e", "prodution", "list"],
        code=3,
    ),
    "nothing-selected": _one(
        "releases:\n- {name: a, chart: ./c}\n",
        "state.no-releases None: no releases found that matches specified selector(name=b) and environment(default), in "
        "any helmfile [`helmflow list` shows the releases and their labels]",
        argv=["-l", "name=b", "list"],
        code=3,
    ),
    "malformed-selector": _one(
        "releases:\n- {name: a, chart: ./c}\n",
        "selector.malformed None: malformed label: name. Expected label in form k=v or k!=v "
        "[write it as -l key=value or -l key!=value, several terms with commas]",
        argv=["-l", "name", "list"],
    ),
    "missing-values-file": Case(
        {
            "helmfile.yaml": "environments:\n  default:\n    values:\n    - env/defualt.yaml\n---\nreleases: []\n",
            "env/default.yaml": "a: 1\n",
        },
        [
            (
                'file.missing helmfile.yaml:4:7: environment values file matching "env/defualt.yaml" does not exist in "$ROOT" '
                "[did you mean 'env/default.yaml'?]"
            )
        ],
    ),
    "missing-key-in-template": _one(
        "releases:\n- name: {{ .Values.nope }}\n  chart: ./c\n",
        "template.exec helmfile.yaml.gotmpl:2:19: error during helmfile.yaml.gotmpl.part.0 parsing: template: "
        'stringTemplate:2:18: executing "stringTemplate" at <.Values.nope>: map has no entry for key "nope" '
        "[set a value named 'nope', or read it with `get \"path\" default .Values` or `getOrNil`]",
        name="helmfile.yaml.gotmpl",
    ),
    "bad-template": _one(
        "releases:\n- name: {{ if }}\n  chart: ./c\n",
        "template.parse helmfile.yaml.gotmpl:2:12: error during helmfile.yaml.gotmpl.part.0 parsing: template: "
        "stringTemplate:2: missing value for if []",
        name="helmfile.yaml.gotmpl",
    ),
    "failing-release-template": _one(
        "releases:\n- name: a\n  chart: ./c\n  labels: {x: '{{ .Values.nope }}'}\n",
        'template.exec helmfile.yaml:4:15: failed executing template expressions in release "a".labels.x = "{{ .Values.nope '
        '}}": template: stringTemplate:1:10: executing "stringTemplate" at <.Values.nope>: map has no entry for key "nope" '
        "[set a value named 'nope', or read it with `get \"path\" default .Values` or `getOrNil`]",
    ),
    "recursive-templates": _one(
        "releases:\n- name: 'x{{ .Release.Name }}'\n  chart: ./c\n",
        'state.recursive-templates helmfile.yaml:2:3: failed executing templates in release "x{{ .Release.Name }}": '
        "recursive references can't be resolved []",
    ),
    "unknown-template": _one(
        "templates:\n  base: {namespace: x}\nreleases:\n- {name: a, chart: ./c, inherit: [{template: bsae}]}\n",
        'state.unknown-template helmfile.yaml:4:46: release "a" tried to inherit inexistent release template "bsae" '
        "[did you mean 'base'?]",
    ),
    "inherit-cycle": _one(
        "templates:\n  a: {inherit: [{template: b}]}\n  b: {inherit: [{template: a}]}\n"
        "releases:\n- {name: r, chart: ./c, inherit: [{template: a}]}\n",
        "state.inherit-cycle helmfile.yaml:3:28: cyclic inheritance detected: a->b->a []",
    ),
    "bad-condition": _one(
        "releases:\n- {name: a, chart: ./c, condition: a.on}\n",
        "state.bad-condition helmfile.yaml:2:36: Condition value must be in the form 'foo.enabled' where 'foo' can be "
        "modified as necessary: a.on [end it in .enabled, or write true, false or a conditionTemplate]",
    ),
    "condition-without-values": _one(
        "releases:\n- {name: a, chart: ./c, condition: redis.enabled}\n",
        'state.condition-missing helmfile.yaml:2:36: environment values does not contain field "redis" (condition '
        "redis.enabled) [set redis in the state values]",
    ),
    "empty-chart": _one(
        "releases:\n- name: a\n",
        'state.empty-chart helmfile.yaml:2:3: encountered empty chart while reading release "a" [set `chart`]',
    ),
    "environments-beside-releases": _one(
        "environments: {}\nreleases: []\n",
        "state.environments-beside-releases helmfile.yaml:2:1: environments and releases cannot be defined within the same "
        "YAML part [put a line with only --- between them]",
    ),
    "no-file": Case(
        {},
        [
            (
                "state.no-file None: no state file found [it is helmflow.yaml, helmfile.yaml, either with .gotmpl, or files in "
                "helmfile.d; or name it with -f]"
            )
        ],
    ),
    "wrong-file-name": Case(
        {"helmfile.yaml": "releases: []\n"},
        [
            "state.no-file None: specified state file helmflie.yaml is not found [did you mean 'helmfile.yaml'?]"
        ],
        ["-f", "helmflie.yaml", "list"],
    ),
    "flag-against-file": _one(
        "namespace: x\nreleases:\n- {name: a, chart: ./c}\n",
        "flags.conflicts-with-file helmfile.yaml:1:12: Cannot use option --namespace and set attribute namespace. "
        "[remove `namespace` from the file, or the flag]",
        argv=["-n", "y", "list"],
    ),
    "required-version": _one(
        "requiredVersion: '>=99'\nreleases:\n- {name: a, chart: ./c}\n",
        "state.required-version helmfile.yaml:1:18: this file needs helmflow >=99, this is $VERSION "
        "[install a version that fits: pip install 'helmflow...']",
    ),
    "values-are-no-map": Case(
        {"helmfile.yaml": "values: [v.yaml]\nreleases:\n- {name: a, chart: ./c}\n", "v.yaml": "- 1\n"},
        [
            "values.not-a-map v.yaml: v.yaml must be a map of values [write KEY: VALUE lines; a list needs a key above it]"
        ],
    ),
    "nested-bases": Case(
        {
            "helmfile.yaml": "bases: [one.yaml]\nreleases:\n- {name: a, chart: ./c}\n",
            "one.yaml": "bases: [two.yaml]\n",
            "two.yaml": "commonLabels: {}\n",
        },
        [
            (
                "state.nested-bases one.yaml:1:8: a base cannot have bases of its own "
                "[name both files in `bases` of the file that uses them]"
            )
        ],
    ),
    "state-values-set": _one(
        "releases:\n- {name: a, chart: ./c}\n",
        "flags.state-values-set None: --state-values-set 'a': 'a' is not KEY=VALUE "
        "[write --state-values-set a.b=1,c[0]=x; a dot in a key is written \\.]",
        argv=["--state-values-set", "a", "list"],
    ),
    "locked-chart-not-wanted": Case(
        {
            "helmfile.yaml": "repositories:\n- {name: r, url: http://x}\nvalues:\n- y: {enabled: false}\nreleases:\n"
            "- {name: a, chart: r/y, condition: y.enabled}\n- {name: b, chart: r/y, installed: false}\n- {name: c, chart: r/z}\n",
            "helmfile.lock": "version: v1\ndependencies:\n- {name: x, repository: http://x, version: 1.0.0}\n",
        },
        [
            (
                'lock.missing helmfile.yaml:8:3: no resolved dependency found for "z", running "helmflow deps" may '
                "resolve the issue [helmfile.lock has no version of z that satisfies *]"
            )
        ],
    ),
    "locked-chart-missing": Case(
        {
            "helmfile.yaml": "repositories:\n- {name: r, url: http://x}\nreleases:\n- {name: a, chart: r/y, version: ~2}\n",
            "helmfile.lock": "version: v1\ndependencies:\n- {name: y, repository: http://x, version: 1.0.0}\n",
        },
        [
            (
                'lock.missing helmfile.yaml:4:34: no resolved dependency found for "y", running "helmflow deps" may resolve the '
                "issue [helmfile.lock has no version of y that satisfies ~2]"
            )
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_told_with_its_place_and_a_way_out(name: str, tmp_path: Path) -> None:
    from helmflow import __version__

    case = CASES[name]
    for file, text in case.files.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    ran = drive.run(case.argv, tmp_path, {}, state_ports())
    assert ran.exception is not None, ran.out
    got = [f"{m.error_id} {m.span}: {m.message} [{m.hint}]" for m in ran.exception.mistakes]
    got = [line.replace(str(tmp_path), "$ROOT").replace(__version__, "$VERSION") for line in got]
    assert got == case.want
    assert ran.code == case.code


def test_an_excerpt_shows_the_line_and_a_caret(tmp_path: Path) -> None:
    (tmp_path / "helmfile.yaml").write_text("releases:\n- name: a\n  cahrt: ./c\n", encoding="utf-8")
    ran = drive.run(["list"], tmp_path, {})
    assert ran.exception is not None
    span = ran.exception.mistakes[0].span
    assert span is not None
    assert span.excerpt() == "    3 |   cahrt: ./c\n      |   ^^^^^"


def test_a_mistake_in_a_later_part_has_the_line_of_the_file(tmp_path: Path) -> None:
    text = "environments:\n  default: {}\n---\n\nreleases:\n- name: a\n  bogus: 1\n  chart: ./c\n"
    (tmp_path / "helmfile.yaml").write_text(text, encoding="utf-8")
    ran = drive.run(["list"], tmp_path, {})
    assert ran.exception is not None
    assert str(ran.exception.mistakes[0].span) == "helmfile.yaml:7:3"


def test_a_mistake_in_a_rendered_part_points_at_the_rendered_text(tmp_path: Path) -> None:
    text = "releases:\n{{ range list 1 2 }}\n- name: r{{ . }}\n  chart: ./c\n  bogus: 1\n{{ end }}\n"
    (tmp_path / "helmfile.yaml.gotmpl").write_text(text, encoding="utf-8")
    ran = drive.run(["list"], tmp_path, {})
    assert ran.exception is not None
    places = [str(mistake.span) for mistake in ran.exception.mistakes]
    assert places == ["helmfile.yaml.gotmpl (rendered):5:3", "helmfile.yaml.gotmpl (rendered):9:3"]
