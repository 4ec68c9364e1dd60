"""Derive helmflow/embedded/data/kubernetes-api.json.xz from the public Go modules of Kubernetes (Apache-2.0).

Needs Go; run `python tools/generate_kubernetes_api.py` after changing VERSION. The output holds, per type: fields, value kinds,
list and patch strategies, Go's omitempty rules and protobuf numbers; and the discovery of all generally available groups.
"""

from __future__ import annotations

import json
import lzma
import re
import subprocess
from pathlib import Path
from typing import Any

MINOR = "36.1"
OUT = Path(__file__).parent.parent / "helmflow" / "embedded" / "data" / "kubernetes-api.json.xz"
STABLE = re.compile(r"^v\d+$")
META = "io.k8s.apimachinery.pkg.apis.meta.v1."


def main() -> None:
    """Write the data file and say how large it is."""
    kubernetes = module("k8s.io/kubernetes", f"v1.{MINOR}")
    structs = {
        **go_structs(module("k8s.io/api", f"v0.{MINOR}"), "io.k8s.api"),
        **package(module("k8s.io/apimachinery", f"v0.{MINOR}") / "pkg/apis/meta/v1", META[:-1]),
        **package(
            module("k8s.io/apiextensions-apiserver", f"v0.{MINOR}") / "pkg/apis/apiextensions/v1",
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
        ),
        **package(
            module("k8s.io/kube-aggregator", f"v0.{MINOR}") / "pkg/apis/apiregistration/v1",
            "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1",
        ),
    }
    swagger = json.loads((kubernetes / "api/openapi-spec/swagger.json").read_text())["definitions"]
    groups, wanted = discovery(kubernetes, swagger)
    defaults = field_defaults(kubernetes)
    types: dict[str, Any] = {}
    todo = [
        *wanted,
        META + "DeleteOptions",
        META + "Status",
        META + "ManagedFieldsEntry",
        "io.k8s.api.autoscaling.v1.Scale",
    ]
    while todo:
        name = todo.pop()
        if name not in types and name in swagger:
            types[name] = type_of(
                name, swagger[name], structs.get(name, []), structs, defaults.get(name, {}), todo
            )
    document = {
        "source": f"k8s.io/kubernetes v1.{MINOR}, k8s.io/api v0.{MINOR}; Copyright The Kubernetes Authors, Apache License 2.0",
        "types": dict(sorted(types.items())),
        "groups": groups,
    }
    plain = json.dumps(document, separators=(",", ":")).encode()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_bytes(lzma.compress(plain, preset=9 | lzma.PRESET_EXTREME))
    print(len(types), "types,", len(plain), "bytes,", OUT.stat().st_size, "compressed")


def module(path: str, version: str) -> Path:
    """The folder of one downloaded module."""
    found = subprocess.run(
        ["go", "mod", "download", "-json", f"{path}@{version}"], check=True, capture_output=True, cwd="/"
    )
    return Path(json.loads(found.stdout)["Dir"])


def go_structs(api: Path, prefix: str) -> dict[str, list[dict[str, Any]]]:
    """Every struct of every stable group version."""
    found: dict[str, list[dict[str, Any]]] = {}
    for folder in sorted(api.glob("*/v*")):
        if STABLE.match(folder.name):
            found.update(package(folder, f"{prefix}.{folder.parent.name}.{folder.name}"))
    return found


def package(folder: Path, prefix: str) -> dict[str, list[dict[str, Any]]]:
    """The structs of one Go package: their fields with json and protobuf tags."""
    found: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob("*types*.go")):
        for match in re.finditer(r"^type (\w+) struct \{\n(.*?)^\}", file.read_text(), re.S | re.M):
            fields = []
            for line in match[2].splitlines():
                tag = re.match(r"^\s+(?:(\w+)\s+)?([\w.*\[\]]+)\s+`(.*)`", line)
                if tag and 'json:"' in tag[3]:
                    fields.append(go_field(tag))
            found[f"{prefix}.{match[1]}"] = fields
    return found


def go_field(tag: re.Match[str]) -> dict[str, Any]:
    json_tag = re.search(r'json:"([^"]*)"', tag[3])
    number = re.search(r'protobuf:"\w+,(\d+)', tag[3])
    parts = json_tag[1].split(",") if json_tag else [""]
    return {
        "json": parts[0],
        "inline": "inline" in parts or (not parts[0] and not tag[1]),
        "omit": "omitempty" in parts,
        "zero": "omitzero" in parts,
        "type": tag[2],
        "number": int(number[1]) if number else 0,
    }


def field_defaults(kubernetes: Path) -> dict[str, dict[str, Any]]:
    """Non-empty field defaults, which only the v3 documents carry."""
    found: dict[str, dict[str, Any]] = {}
    for file in (kubernetes / "api/openapi-spec/v3").glob("*_openapi.json"):
        for name, schema in json.loads(file.read_text()).get("components", {}).get("schemas", {}).items():
            for field, member in schema.get("properties", {}).items():
                if member.get("default") not in (None, "", {}, [], 0, False):
                    found.setdefault(name, {})[field] = member["default"]
    return found


def type_of(
    name: str,
    schema: dict[str, Any],
    fields: list[dict[str, Any]],
    structs: dict[str, Any],
    defaults: dict[str, Any],
    todo: list[str],
) -> dict[str, Any]:
    """One type: "f" fields, "r" required, "a" atomic, "w" a bare value, "p" protobuf numbers of inlined structs."""
    result: dict[str, Any] = {}
    if schema.get("x-kubernetes-map-type") == "atomic":
        result["a"] = 1
    if "properties" not in schema:
        result["w"] = value_of(schema, todo)
        return result
    flat: dict[str, dict[str, Any]] = {}
    inlined: dict[int, dict[int, str]] = {}
    flatten(name, fields, structs, flat, inlined)
    members: dict[str, Any] = {}
    for field, member in sorted(schema["properties"].items()):
        spec = value_of(member, todo)
        known = flat.get(field)
        if known is not None:
            if known["omit"]:
                spec["o"] = 2 if known["zero"] else 1
            if known["type"].startswith("*"):
                spec["p"] = 1
            if known["number"]:
                spec["#"] = known["number"]
        if field in defaults:
            spec["df"] = defaults[field]
        members[field] = spec
    result["f"] = members
    if schema.get("required"):
        result["r"] = schema["required"]
    if inlined:
        result["p"] = inlined
    return result


def flatten(
    name: str,
    fields: list[dict[str, Any]],
    structs: dict[str, Any],
    flat: dict[str, dict[str, Any]],
    inlined: dict[int, dict[int, str]],
) -> None:
    here = name.rsplit(".", 1)[0]
    for field in fields:
        if field["inline"]:
            short = field["type"].lstrip("*")
            base = (
                META + short[7:]
                if short.startswith("metav1.")
                else ("io.k8s.api.core.v1." + short.split(".")[1] if "." in short else f"{here}.{short}")
            )
            inner = structs.get(base, [])
            if field["number"]:
                inlined[field["number"]] = {f["number"]: f["json"] for f in inner if f["json"]}
            inner = [{**f, "number": 0} for f in inner]
            flatten(base, inner, structs, flat, inlined)
        elif field["json"]:
            flat[field["json"]] = field


def value_of(schema: dict[str, Any], todo: list[str]) -> dict[str, Any]:
    """The value kind of a field, list item or map value."""
    spec: dict[str, Any] = {}
    if "$ref" in schema:
        spec["t"] = "r"
        spec["r"] = schema["$ref"].rsplit("/", 1)[1]
        todo.append(spec["r"])
    elif schema.get("type") == "array":
        spec["t"] = "l"
        spec["v"] = value_of(schema["items"], todo)
    elif schema.get("type") == "object":
        spec["t"] = "m"
        if "additionalProperties" in schema:
            spec["v"] = value_of(schema["additionalProperties"], todo)
    else:
        spec["t"] = {
            ("string", ""): "s",
            ("string", "byte"): "y",
            ("string", "date-time"): "d",
            ("string", "int-or-string"): "io",
            ("integer", "int32"): "i32",
            ("integer", "int64"): "i64",
            ("number", "double"): "f64",
            ("boolean", ""): "b",
            (None, ""): "x",
        }[(schema.get("type"), schema.get("format", ""))]
    for key, short in (
        ("x-kubernetes-list-type", "lt"),
        ("x-kubernetes-list-map-keys", "lk"),
        ("x-kubernetes-patch-strategy", "ps"),
        ("x-kubernetes-patch-merge-key", "pk"),
        ("x-kubernetes-map-type", "mt"),
    ):
        if key in schema:
            spec[short] = schema[key]
    return spec


def discovery(kubernetes: Path, swagger: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Groups in the server's order, each version's resources, and the type name of every kind."""
    names: dict[tuple[str, str, str], str] = {}
    for name, schema in swagger.items():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        for kind in kinds:
            if len(kinds) == 1 or name.startswith("io.k8s.api."):
                names[(kind["group"], kind["version"], kind["kind"])] = name
    folder = kubernetes / "api/discovery"
    core = json.loads((folder / "api__v1.json").read_text())["resources"]
    order = json.loads((folder / "aggregated_v2.json").read_text())["items"]
    groups = [{"name": "", "versions": [resources("", "v1", core, names)]}]
    for item in order:
        group = item["metadata"]["name"]
        versions = []
        for version in item["versions"]:
            if STABLE.match(version["version"]):
                listed = json.loads((folder / f"apis__{group}__{version['version']}.json").read_text())[
                    "resources"
                ]
                versions.append(resources(group, version["version"], listed, names))
        if versions:
            groups.append({"name": group, "versions": versions})
    wanted = [r["type"] for g in groups for v in g["versions"] for r in v["resources"] if r.get("type")]
    wanted += [
        s["type"]
        for g in groups
        for v in g["versions"]
        for r in v["resources"]
        for s in r.get("sub", [])
        if s.get("type")
    ]
    return groups, wanted


def resources(
    group: str, version: str, listed: list[dict[str, Any]], names: dict[Any, str]
) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for entry in listed:
        kind = {
            "group": entry.get("group", group),
            "version": entry.get("version", version),
            "kind": entry["kind"],
        }
        made = {
            k: v
            for k, v in entry.items()
            if k in ("kind", "group", "version", "verbs", "shortNames", "categories")
        }
        made["type"] = names.get((kind["group"], kind["version"], kind["kind"]), "")
        main_name, slash, sub = entry["name"].partition("/")
        if slash:
            made["name"] = sub
            found[main_name].setdefault("sub", []).append(made)
        else:
            made["name"] = main_name
            made["singular"] = entry["singularName"]
            made["namespaced"] = entry["namespaced"]
            made["hash"] = entry.get("storageVersionHash", "")
            found[main_name] = made
    return {"name": version, "resources": list(found.values())}


if __name__ == "__main__":
    main()
