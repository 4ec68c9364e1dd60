"""Helmfile's own tables: the rows that describe functions of the state layer, run on those functions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helmflow.core.errors import HelmflowError
from helmflow.core.source import SourceText
from helmflow.providers.charts.fetch import looks_local
from helmflow.state import (
    conditions,
    environments,
    files,
    fixpoint,
    inherit,
    merging,
    options,
    parts,
    reading,
    resolve,
    selectors,
    state_values,
)
from helmflow.state.hcl import merge as hcl_merge
from helmflow.state.load import LoadRequest, load_desired, new_context
from helmflow.state.schema import RELEASE
from tests import conformance

Row = Any


def _rows(name: str) -> list[Row]:
    return list(conformance.data(f"helmfile/vectors/{name}.json")["rows"])


def _plain(value: Any) -> Any:
    """Go literals of the tables as plain data."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$positional" in value:
        return _plain(value["$positional"])
    if "$pairs" in value:
        return [_plain(item) for _, item in value["$pairs"]]
    if "$call" in value:
        return _called(value)
    if "$ident" in value:
        return {"enable": True, "disable": False}.get(value["$ident"], value["$ident"])
    return {key: _plain(item) for key, item in value.items() if key != "$type"}


def _called(value: dict[str, Any]) -> Any:
    args = _plain(value.get("$args", [None]))
    return None if value["$call"] == "cty.NullVal" else args[0]


def _raises(work: Callable[[], Any]) -> bool:
    try:
        work()
    except HelmflowError:
        return True
    return False


def _compatible(row: Row) -> bool:
    def check() -> bool:
        return selectors.compatible(
            selectors.parse_all(row["selectorsA"]), selectors.parse_all(row["selectorsB"])
        )

    return _raises(check) if row.get("wantErr") else check() == row["compatible"]


def _label_parsing(row: Row) -> bool:
    text, want, refused = row
    if refused:
        return _raises(lambda: selectors.parse(text))
    found = selectors.parse(text)
    wanted = _plain(want)
    return [list(pair) for pair in found.required] == wanted["positiveLabels"] and [
        list(pair) for pair in found.forbidden
    ] == wanted["negativeLabels"]


def _condition(row: Row) -> bool:
    def check() -> bool:
        return conditions.enabled(row["condition"], _plain(row.get("values") or {}))

    return _raises(check) if row.get("wantErr") else check() == row["want"]


def _policy(row: Row, ids: tuple[str, ...]) -> bool:
    wanted = bool(row.get("expectedErr") or row.get("wantErr"))
    text = row.get("content") or row.get("helmfileContent") or ""
    try:
        parts.check_order(SourceText("f", text))
    except HelmflowError as error:
        return wanted == (error.error_id in ids)
    return not wanted


def _beside(row: Row) -> bool:
    return _policy(row, ("state.environments-beside-releases", "state.empty", "state.key-order"))


def _key_order(row: Row) -> bool:
    return _policy(row, ("state.key-order", "state.empty"))


def _parse_key(row: Row) -> bool:
    return state_values.split_key(row["key"]) == _plain(row["result"])


def _indexed(row: Row) -> bool:
    return state_values.parse(row["stateValuesSet"], ()) == row["want"]


def _assigned(row: Row) -> bool:
    given: dict[str, Any] = {}
    for operation in row["operations"]:
        state_values.assign(given, operation["key"], state_values.typed(operation["value"]))
    merged = merging.layered(_plain(row["initialMap"]), given, merging.Lists.BY_INDEX)
    return merged == _plain(row["expected"])


def _environment(row: Row) -> bool:
    lower, upper = (
        environments.Env(name=_plain(row[side])["Name"], values=_plain(row[side])["Values"])
        for side in ("dst", "src")
    )
    merged = environments.over(lower, upper)
    return merged is not None and merged.values == _plain(row["expected"])


def _ordering(row: Row) -> bool:
    strategy = {"MergeStrategyOverride": "override", "MergeStrategyFallback": "fallback"}.get(
        _plain(row["strategy"]), ""
    )
    layers = [{"e": {"values": [name], "mergeStrategy": strategy}} for name in ("base.yaml", "main.yaml")]
    return bool(merging.environments(*layers)["e"]["values"] == row["wantOrdering"])


def _local_chart(row: Row) -> bool:
    args = row.get("args")
    chart, want = (args["chart"], row["want"]) if args else (row["input"], row["expected"])
    return looks_local(chart) == want


def _remote(row: Row) -> bool:
    return files.is_remote(row["input"]) == row["expected"]


def _inherits(row: Row) -> bool:
    own = [{"template": one["Template"]} for one in _plain(row["releaseInherit"]) or []]
    wanted = [{"template": one["Template"]} for one in _plain(row["want"]) or []]
    return inherit.with_defaults(own, _plain(row["defaultInherit"]) or []) == wanted


def _default_inherits(row: Row) -> bool:
    text = f"defaultInherit: {row['input']}\n"
    found = reading.read(reading.Text(SourceText("f", text), text), template=False)
    names = [name.strip() for name in found.get("defaultInherit") or () if name.strip()]
    return names == (_plain(row["want"]) or [])


def _hcl(row: Row) -> bool:
    return bool(hcl_merge(_plain(row["a"]), _plain(row["b"])) == _plain(row["expected"]))


_GO_KEYS = {
    "SetValues": "set", "SetValuesTemplate": "setTemplate", "EnvValues": "env", "EnableDNS": "enableDNS",
    "JSONPatches": "jsonPatches",
}  # fmt: skip


def _spec(go: dict[str, Any]) -> dict[str, Any]:
    """A ReleaseSpec literal under the file's keys."""
    spec: dict[str, Any] = {}
    for name, value in _plain(go).items():
        key = _GO_KEYS.get(name, name[:1].lower() + name[1:])
        if key in ("set", "setTemplate", "setString"):
            value = [{inner.lower(): item for inner, item in one.items()} for one in value]
        if value is not None:
            spec[key] = value
    return spec


def _templates(row: Row) -> bool | None:
    if "post renderer args" in row["name"]:
        return None  # its `want` names another release than its input, and upstream does not compare it
    context = new_context(LoadRequest(cwd=Path("/tmp"), env={}), lambda event: None)

    def data(spec: dict[str, Any]) -> dict[str, Any]:
        loaded = parts.Loaded(
            path=Path("/tmp/helmfile.yaml"), base_dir=Path("/tmp"), source=SourceText("f", ""), spec={},
            env=environments.Env(name="test_env"), values={},
        )  # fmt: skip
        return resolve.release_data("test_env", loaded, resolve.Overrides(), spec)

    def check() -> dict[str, Any]:
        return fixpoint.resolve(context, _spec(row["input"]), data, Path("/tmp"))

    if row.get("wantErr") or "want" not in row:
        return _raises(check)
    found = check()
    wanted = _spec(row["want"])
    compared = [key for key in wanted if key in RELEASE.keys]
    return all(_same(found.get(key), wanted[key]) for key in compared)


def _same(found: Any, wanted: Any) -> bool:
    return bool((found or None) == (wanted or None))


def _upgrade_options(row: Row) -> bool | None:
    """What flags say about Helm versions and unset namespaces is not this layer's."""
    if isinstance(row.get("want"), str) or not row.get("want") or row.get("syncOpts"):
        return None
    defaults = {**_spec(row["defaults"])}
    context = new_context(LoadRequest(), lambda event: None)
    effective = options.effective(context, _spec(row["release"]), defaults)
    flags = {
        "--verify": effective.verify, "--enable-dns": effective.enable_dns, "--recreate-pods": effective.recreate_pods,
        "--wait": effective.wait, "--wait-for-jobs": effective.wait_for_jobs, "--devel": effective.devel,
        "--cleanup-on-fail": effective.cleanup_on_fail, "--force-conflicts": effective.force_conflicts,
    }  # fmt: skip
    want = row["want"]
    timeout = f"{effective.timeout_s}s" if effective.timeout_s else None
    atomic = bool(effective.atomic or effective.rollback_on_failure)
    return (
        all(bool(value) == (flag in want) for flag, value in flags.items())
        and (want[want.index("--timeout") + 1] if "--timeout" in want else None) == timeout
        and atomic == bool({"--atomic", "--rollback-on-failure"} & set(want))
        and bool(effective.force) == bool({"--force", "--force-replace"} & set(want))
    )


TABLES: dict[str, Callable[[Row], bool | None]] = {
    "state-release_filters_test__TestSelectorsAreCompatible__tests": _compatible,
    "state-state_test__TestLabelParsing__cases": _label_parsing,
    "state-state_test__TestConditionEnabled__tests": _condition,
    "policy-checker_test__TestForbidEnvironmentsWithReleases__testCases": _beside,
    "policy-checker_test__TestTopConfigKeysVerifier__tests": _key_order,
    "maputil-maputil_test__TestMapUtil_ParseKey__tcs": _parse_key,
    "maputil-maputil_test__TestMapUtil_IndexedKeyArg2__cases": _indexed,
    "maputil-maputil_test__TestMapUtil_Issue2281_ArrayMerging__tests": _assigned,
    "environment-environment_test__TestMerge_Issues__tests": _environment,
    "state-create_test__TestMergeEnvironments_LaterLayerWinsRegardlessOfStrategy__tests": _ordering,
    "state-state_test__Test_isLocalChart__tests": _local_chart,
    "remote-remote_test__TestIsRemote__testcases": _remote,
    "state-state_exec_tmpl_test__TestApplyDefaultInherit__tests": _inherits,
    "state-state_exec_tmpl_test__TestDefaultInherits_UnmarshalYAML__tests": _default_inherits,
    "state-state_exec_tmpl_test__TestHelmState_executeTemplates__tests": _templates,
    "state-state_exec_tmpl_test__TestHelmState_recursiveRefsTemplates__tests": _templates,
    "hcllang-hcl_loader_test__TestCtyMergeValues_Lists__tests": _hcl,
    "hcllang-hcl_loader_test__TestCtyMergeValues_Objects__tests": _hcl,
    "hcllang-hcl_loader_test__TestCtyMergeValues_SimpleTypes__tests": _hcl,
    "state-state_test__TestHelmState_flagsForUpgrade__tests": _upgrade_options,
}


@pytest.mark.parametrize("table", TABLES)
def test_tables(table: str) -> None:
    failed, passed, skipped = [], 0, 0
    for row in _rows(table):
        result = TABLES[table](row)
        if result is None:
            skipped += 1
        elif result:
            passed += 1
        else:
            failed.append(json.dumps(row)[:400])
    conformance.report("helmfile/vectors (state)", passed=passed, failed=len(failed), skipped=skipped)
    assert not failed, "\n".join(failed)


def test_template_functions(tmp_path: Path) -> None:
    """The end-to-end rows of Helmfile's own template functions."""
    import shutil

    shutil.copytree(conformance.path("helmfile/_testdata/tmpl"), tmp_path / "testdata" / "tmpl")
    failed, passed = [], 0
    for row in _rows("e2e-tmpl__tmplTestCases"):
        env = {"PATH": "/usr/bin:/bin", **row.get("envs", {})}
        context = new_context(LoadRequest(cwd=tmp_path, env=env), lambda event: None)
        try:
            text = context.renderer.render(
                row["tmplString"],
                _plain(row.get("data") or {}),
                tmp_path,
                SourceText("row", row["tmplString"]),
            )
            good = not row.get("wantErr") and re.sub(r"\s", "", text) == re.sub(
                r"\s", "", row.get("output", "")
            )
        except HelmflowError as error:
            text, good = str(error), bool(row.get("wantErr"))
        if good:
            passed += 1
        else:
            failed.append(f"{row['name']}: {text!r}")
    conformance.report("helmfile/vectors (template functions)", passed=passed, failed=len(failed))
    assert not failed, "\n".join(failed)


def test_to_yaml() -> None:
    from helmflow.core.yaml_dialect import dump_pretty

    rows = _rows("tmpl-context_funcs_test__TestToYaml__tests")
    for row in rows:
        assert dump_pretty(_plain(row["input"])) == row["expected"], row["name"]
    conformance.report("helmfile/vectors (state)", passed=len(rows))


def test_nested_file_entries(tmp_path: Path) -> None:
    rows = _rows("state-create_test__TestReadFromYaml_Helmfiles_Selectors__tests")
    for row in rows:
        (tmp_path / "helmfile.yaml").write_text(row["content"], encoding="utf-8")
        for entry in row.get("helmfiles") or ():
            path = tmp_path / entry["Path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("releases: []\n", encoding="utf-8")
        request = LoadRequest(cwd=tmp_path, env={}, need_releases=False)
        assert _raises(lambda request=request: load_desired(request, lambda event: None)) == bool(
            row.get("wantErr")
        ), row
    conformance.report("helmfile/vectors (state)", passed=len(rows))
