"""Keys and flags that speak of helm: args, syncArgs, diffArgs, templateArgs, skipDeps, --skip-diff-on-install."""

from __future__ import annotations

from pathlib import Path

from tests.cli.project import project

HOOK = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: hook\n  annotations: {helm.sh/hook: pre-install}\ndata: {a: b}\n"


def state(release: str = "", **defaults: str) -> str:
    """A state file of one release on the embedded cluster."""
    written = "".join(f"  {key}: {value}\n" for key, value in defaults.items())
    return f"helmDefaults:\n  kubeContext: embedded\n{written}releases:\n  - name: web\n    chart: ./web\n{release}"


def test_each_command_takes_its_own_flags(tmp_path: Path) -> None:
    text = state(
        args='["--set colour=blue"]',
        syncArgs='["--set-string", "port=81", "--no-hooks"]',
        diffArgs='["--set-string port=82 -C 0"]',
        templateArgs='["--set=port=83"]',
    )
    made = project(tmp_path, {"helmflow.yaml": text, "web/templates/hook.yaml": HOOK})
    rendered = made.run("template").out
    assert ('port: "83"' in rendered, "colour: blue" in rendered) == (True, True)
    (line,) = made.journal("sync")
    assert (line["values"], line["hooks"]) == ({"colour": "blue", "port": "81"}, {})
    shown = made.run("diff").out
    assert '-   port: "81"\n+   port: "82"\n' in shown
    assert "first" not in shown  # no lines around it
    applied = made.run("apply")  # compares what it would do, not what diffArgs say
    assert (applied.code, "1 unchanged" in applied.out) == (0, True), applied.out


def test_what_a_diff_shows_can_be_said_in_the_file(tmp_path: Path) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n"
    made = project(tmp_path, {"helmflow.yaml": state(), "web/templates/s.yaml": secret})
    assert "Secret (v1)" in made.run("diff").out
    for flag in (
        "--suppress-secrets",
        "--suppress=Secret",
        "--suppress secret --three-way-merge --dry-run=server",
    ):
        made.write({"helmflow.yaml": state(diffArgs=f'["{flag}"]')})
        shown = made.run("diff")
        assert ("Secret (v1)" in shown.out, "ConfigMap (v1)" in shown.out, shown.err) == (False, True, "")
        assert "1 object not shown" in shown.out
    made.write({"helmflow.yaml": state()})
    assert "Secret (v1)" not in made.run("diff", "--diff-args", "--suppress-secrets").out


def test_template_is_rendered_as_its_flags_say(tmp_path: Path) -> None:
    chart = {
        "web/crds/c.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: c}\n",
        "web/templates/v.yaml": (
            "version: {{ .Capabilities.KubeVersion.Version }}\nupgrade: {{ .Release.IsUpgrade }}\n"
            'has: {{ .Capabilities.APIVersions.Has "shop/v1" }}\n'
        ),
        "web/templates/hook.yaml": HOOK,
    }
    made = project(tmp_path, {**chart, "helmflow.yaml": state()})
    plain = made.run("template").out
    assert ("CustomResource" in plain, "helm.sh/hook" in plain, "has: false" in plain) == (False, True, True)
    flags = '["--kube-version 1.30.1", "-a", "shop/v1", "--include-crds --is-upgrade", "--no-hooks"]'
    made.write({"helmflow.yaml": state(templateArgs=flags)})
    found = made.run("template").out
    for part in ("version: v1.30.1", "upgrade: true", "has: true", "CustomResourceDefinition"):
        assert part in found
    assert "helm.sh/hook" not in found
    only = made.run("template", "--template-args", "--show-only templates/v.yaml").out
    assert ("ConfigMap" in only, "upgrade: true" in only) == (False, True)


def test_an_unknown_flag_is_named_with_its_place(tmp_path: Path) -> None:
    made = project(tmp_path, {"helmflow.yaml": state(diffArgs='["--frobnicate"]')})
    assert "warning[state.helm-flag]: helm's flag --frobnicate" in made.run("template").err


def test_dependencies_are_left_alone_where_the_file_or_a_flag_says_so(tmp_path: Path) -> None:
    chart = {
        "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n"
        "  - {name: db, version: 1.x, repository: 'file://../db'}\n",
        "db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n",
        "db/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: db}\n",
    }
    made = project(tmp_path, {**chart, "helmflow.yaml": state()})
    assert "name: db" in made.run("template").out
    refused = made.run("template", "--skip-deps")
    assert refused.code == 1
    assert "found in Chart.yaml, but missing in charts/ directory: db" in refused.err
    for text in (state(skipDeps="true"), state("    skipDeps: true\n")):
        made.write({"helmflow.yaml": text})
        assert "chart.dependencies-missing" in made.run("template").err
    made.write({"helmflow.yaml": state("    skipDeps: false\n", skipDeps="true")})
    assert "name: db" in made.run("template").out
    made.write({"helmflow.yaml": state(skipDeps="true")})
    made.write({f"web/charts/{name}": text for name, text in chart.items() if name.startswith("db/")})
    assert "name: db" in made.run("template").out


def test_a_release_that_is_not_there_counts_as_changed_without_a_diff(tmp_path: Path) -> None:
    two = state() + "  - {name: api, chart: ./web, needs: [web]}\n"
    made = project(tmp_path, {"helmflow.yaml": two})
    assert made.run("sync", "-l", "name=web").code == 0
    made.write({"helmflow.yaml": two.replace("./web\n", "./web\n    values: [{port: 81}]\n", 1)})
    shown = made.run("diff", "--skip-diff-on-install", "--detailed-exitcode")
    assert shown.code == 2
    assert "shown without a diff" in next(line for line in shown.out.splitlines() if line.startswith("api "))
    assert '+   port: "81"' in shown.out  # of the one that is there
    assert ("has been added" in shown.out, "not shown: flags" in shown.out) == (False, False)
    made.write({"helmflow.yaml": two})
    alone = made.run("diff", "--skip-diff-on-install", "--detailed-exitcode")
    assert alone.code == 2, "a release that is not there is a change"
    lines = made.journal("apply", "--skip-diff-on-install")
    assert [(line["operation"], line["release"]) for line in lines] == [("diff", "web"), ("upgrade", "api")]
