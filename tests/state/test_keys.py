"""Every key of the state file does something: it changes what is loaded, is an error, or says why it has no effect."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

import helmflow
from helmflow.core.errors import HelmflowError
from helmflow.providers.state_ports import state_ports
from helmflow.state import model, no_effect, schema
from helmflow.state.load import LoadRequest, load_desired
from helmflow.state.values import layer

# What stands under a key where its type alone does not say: it must not be what holds anyway.
SAMPLES: dict[tuple[str, str], Any] = {
    ("state file", "values"): [{"deep": {"enabled": False}}],
    ("state file", "bases"): ["base.yaml"],
    ("state file", "helmfiles"): ["sub.yaml"],
    ("state file", "helmDefaults"): {"wait": True},
    ("state file", "repositories"): [{"name": "r", "url": "https://r.example.com"}],
    ("state file", "commonLabels"): {"team": "a"},
    ("state file", "templates"): {"default": {"namespace": "of-a-template"}},
    ("state file", "defaultInherit"): "default",
    ("state file", "releases"): [{"name": "b", "chart": "./c"}],
    ("state file", "hooks"): [{"events": ["prepare"], "command": "true"}],
    ("state file", "requiredVersion"): ">= 99",
    ("state file", "llm"): {"model": "x"},
    ("state file", "renderedvalues"): {"x": 1},
    ("state file", "missingFileHandlerConfig"): {"ignoreMissingGitBranch": True},
    ("state file", "mergeLists"): {"items": "append"},
    ("releases", "condition"): "deep.enabled",
    ("releases", "conditionTemplate"): "deep.enabled",
    ("releases", "installed"): False,
    ("releases", "installedTemplate"): "false",
    ("releases", "waitTemplate"): "true",
    ("releases", "verifyTemplate"): "true",
    ("releases", "missingFileHandlerConfig"): {"ignoreMissingGitBranch": True},
    ("releases", "needs"): ["other"],
    ("releases", "hooks"): [{"events": ["presync"], "command": "true"}],
    ("releases", "set"): [{"name": "s", "value": "v"}],
    ("releases", "setString"): [{"name": "s", "value": "v"}],
    ("releases", "setTemplate"): [{"name": "s", "value": "v"}],
    ("releases", "env"): [{"name": "s", "value": "HOME"}],
    ("releases", "values"): [{"v": 1}],
    ("releases", "valuesTemplate"): [{"v": 1}],
    ("releases", "secrets"): [{"v": 1}],
    ("releases", "mergeLists"): {"items": "append"},
    ("releases", "chartPath"): "x",
    ("releases", "dependencies"): [{"chart": "./d"}],
    ("releases", "inherit"): [{"template": "default"}],
    ("releases", "ignoreDifferences"): [{"path": "/x"}],
    ("releases", "trackTimeout"): 9,
    ("releases", "trackFailOnError"): False,
    ("releases", "disableValidation"): False,
    ("releases", "serverSide"): "false",
    ("releases", "trackMode"): "kubedog",
    ("releases", "trackResources"): [{"kind": "Job"}],
    ("helmDefaults", "serverSide"): "false",
    ("helmDefaults", "trackMode"): "kubedog",
    ("environments", "values"): [{"deep": {"enabled": False}}],
    ("environments", "missingFileHandlerConfig"): {"ignoreMissingGitBranch": True},
}
# Said by the loaded file itself, or by keys beside them: each with the place that reads it.
ELSEWHERE = {
    ("state file", "filepath"): "output of build, read without a word",
    ("state file", "renderedvalues"): "output of build, read without a word",
    ("releases", "chartPath"): "output of build, read without a word",
    ("state file", "environments"): "the block `environments` below",
    ("state file", "kustomizeBinary"): "flows.prepare asks for it when a kustomization is built",
    ("state file", "missingFileHandlerConfig"): "a release's sources",
    ("state file", "templates"): "used by `inherit`, which is tried below",
    ("state file", "mirrors"): "read by flows.prepare where charts are fetched",
    ("state file", "project"): "the mark of an inventory, read by flows.identity",
    ("releases", "directory"): "another name of `chart`",
    ("releases", "ignoreDifferences"): "rules of a diff, read by flows.release_plans",
    ("environments", "missingFileHandler"): "used where a file of the environment is missing",
    ("environments", "missingFileHandlerConfig"): "used where a git branch of its values is missing",
    ("environments", "mergeStrategy"): "used where there are several files",
    ("releases", "disableValidation"): "false is what holds anyway",
    ("helmDefaults", "disableValidation"): "true is what holds anyway",
    ("releases", "trackLogs"): "true is what holds anyway",
    ("releases", "trackFailedLogs"): "true is what holds anyway",
}
BASE = {"name": "a", "chart": "./c"}
BLOCKS = {
    "state file": schema.STATE,
    "releases": schema.RELEASE,
    "helmDefaults": schema.HELM_DEFAULTS,
    "environments": schema.ENVIRONMENT,
    "repositories": schema.REPOSITORY,
}
CASES = [(block, key) for block, keys in BLOCKS.items() for key in keys.keys]


def sample(block: str, key: str, kind: Any, choices: tuple[str, ...]) -> Any:
    """A value that is not what holds without the key."""
    if (block, key) in SAMPLES:
        return SAMPLES[block, key]
    if isinstance(kind, schema.Scalar):
        return {"flag": True, "number": 7, "decimal": 7, "any": "x7"}.get(
            kind.value, (choices or ("x7",))[-1]
        )
    if isinstance(kind, schema.ListOf):
        return ["x7"]
    return {"x7": "y"}


def document(block: str, key: str, value: Any) -> str:
    """A state file with that key in that block."""
    top: dict[str, Any] = {"releases": [{**BASE}]}
    first: dict[str, Any] = {}
    if block == "state file":
        top[key] = value
        if key in ("templates", "defaultInherit"):
            top["templates"] = SAMPLES["state file", "templates"]
    elif block == "releases":
        top["releases"] = [{**BASE, key: value}, {"name": "other", "chart": "./c"}]
        top["templates"] = SAMPLES["state file", "templates"]
        first = {"values": [{"deep": {"enabled": False}}]}
    elif block == "helmDefaults":
        top["helmDefaults"] = {key: value}
    elif block == "repositories":
        top["repositories"] = [{"name": "r", "url": "https://r.example.com", key: value}]
        top["releases"] = [{**BASE, "chart": "r/c"}]
    else:
        first = {"environments": {"default": {key: value}}}
    parts = [yaml.safe_dump(part) for part in (first, top) if part]
    return "---\n".join(parts)


def loaded(root: Path, text: str) -> Any:
    """Everything that the rest of helmflow sees of a file; errors and warnings by their ids."""
    root.mkdir()
    (root / "helmfile.yaml").write_text(text, encoding="utf-8")
    (root / "base.yaml").write_text("commonLabels: {based: 'yes'}\n", encoding="utf-8")
    (root / "sub.yaml").write_text("releases:\n- {name: nested, chart: ./c}\n", encoding="utf-8")
    request = LoadRequest(cwd=root, env={"HOME": "/"}, ports=state_ports(), need_releases=False)
    said: list[Any] = []
    try:
        desired = load_desired(request, lambda event: None)
        said = [one.error_id for one in desired.warnings]
        releases = [
            (*(getattr(one, name.name) for name in fields(one) if name.name not in ("spec", "span", "base_dir")),
             layer(desired, one).values)
            for one in desired.releases
        ]  # fmt: skip
        repositories = [
            {**{f.name: getattr(r, f.name) for f in fields(r)}, "base_dir": ""} for r in desired.repositories
        ]
        views = [
            (v.environment, v.environment.values, v.local_hooks, v.kube_context, v.namespace, v.chart, v.kube_version,
             v.loaded.spec.get("lockFilePath"), tuple(v.loaded.spec.get("apiVersions") or ()))
            for v in desired.files
        ]  # fmt: skip
    except HelmflowError as error:
        return error.error_id
    return repr((releases, repositories, views, said)).replace(str(root), "")


@pytest.mark.parametrize(("block", "key"), CASES, ids=[f"{block}-{key}" for block, key in CASES])
def test_a_key_does_something(block: str, key: str, tmp_path: Path) -> None:
    if (block, key) in ELSEWHERE:
        return
    kind = BLOCKS[block].keys[key]
    value = sample(block, key, kind.type, kind.choices)
    without = document(block, "name" if block in ("repositories", "releases") else "", "a")
    if block == "releases" and key == "name":
        without = document(block, "chart", "./c")
    if block in ("state file", "helmDefaults"):
        without = document("releases", "chart", "./c").replace("- chart: ./c\n  name: other\n", "")
        without = without.partition("---\n")[2]
    if block == "environments":
        without = document(block, "values", [])
    assert loaded(tmp_path / "with", document(block, key, value)) != loaded(tmp_path / "without", without)


def test_what_the_keys_become_is_read_by_somebody() -> None:
    """A field that nothing outside of the state reads would be a key that is silently ignored."""
    read: set[str] = set()
    top = Path(helmflow.__file__).parent
    for path in top.rglob("*.py"):
        if path.parent.name == "state" and path.name in ("model.py", "options.py", "resolve.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                read.add(node.attr)
    from helmflow.state.options import FIELDS, LISTS

    silent = no_effect.reasons("releases").keys() | no_effect.reasons("repositories").keys()
    excused = {name for key, name in {**FIELDS, **LISTS}.items() if key in silent} | {"managed", "unit_tests"}
    excused |= {
        "sync_args",
        "diff_args",
        "template_args",
        "force_go_getter",
    }  # state.options and state.resolve
    excused |= {"own_options"}  # what people wrote, for tests
    kinds = (
        model.Release, model.ReleaseOptions, model.Repository, model.LocalHook, model.Patches,
        model.ValuesSources, model.Environment, model.KubectlApply, model.Need,
    )  # fmt: skip
    unread = {f.name for kind in kinds for f in fields(kind)} - read - excused
    assert unread == set()


def test_keys_without_effect_are_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")
    keys = {key for block in no_effect.REASONS for key in no_effect.REASONS[block]}
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []
