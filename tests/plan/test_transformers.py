"""Kustomize's built-in transformers beside the real kustomize, and what is refused."""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from helmflow.core.errors import ConfigError
from helmflow.plan import transformers
from tests import kustomize

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "serviceAccountName": "runner",
                "initContainers": [{"name": "init", "image": "registry.example.com:5000/tools/init"}],
                "containers": [
                    {
                        "name": "web",
                        "image": "nginx:1.27",
                        "envFrom": [{"configMapRef": {"name": "settings"}}],
                        "env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "p"}}}],
                    },
                    {"name": "log", "image": "fluent@sha256:abc"},
                ],
                "volumes": [
                    {"name": "c", "configMap": {"name": "settings"}},
                    {"name": "s", "secret": {"secretName": "keys"}},
                ],
            },
        },
    },
}
OTHERS: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "kept"}, "data": {"p": "eA=="}},
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": []},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "bind"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "runner", "namespace": "x"}, {"kind": "ServiceAccount", "name": "default", "namespace": "x"}],
    },
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "annotations": {"k": "v"}}, "spec": {"ports": [{"port": 80}]}},
]  # fmt: skip
DOCUMENTS = [DEPLOYMENT, *OTHERS]
# Keys and lists of names change no object that is not there: only the Secret says a namespace, so it is left out for names.
SAME_NAMESPACE = [one for one in DOCUMENTS if one["kind"] != "Secret"]


def builtin(kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "builtin",
        "kind": kind,
        "metadata": {"name": "t", **fields.pop("metadata", {})},
        **fields,
    }


NAMES = [{"path": "metadata/name"}]
CASES: dict[str, dict[str, Any]] = {
    "labels": builtin("LabelTransformer", labels={"team": "a", "app": "b"}, fieldSpecs=[{"path": "metadata/labels", "create": True}]),
    "labels-of-a-kind": builtin("LabelTransformer", labels={"n": "x"}, fieldSpecs=[{"path": "spec/template/metadata/labels", "create": True, "kind": "Deployment"}]),
    "labels-where-there-are-some": builtin("LabelTransformer", labels={"n": "x"}, fieldSpecs=[{"path": "metadata/labels"}]),
    "labels-without-fields": builtin("LabelTransformer", labels={"n": "x"}),
    "annotations": builtin("AnnotationsTransformer", annotations={"by": "me"}, fieldSpecs=[{"path": "metadata/annotations", "create": True}, {"path": "spec/template/metadata/annotations", "create": True, "group": "apps"}]),
    "namespace": builtin("NamespaceTransformer", metadata={"namespace": "target"}),
    "namespace-of-fields": builtin("NamespaceTransformer", metadata={"namespace": "target"}, fieldSpecs=[{"path": "metadata/namespace", "create": True}]),
    "namespace-where-unset": builtin("NamespaceTransformer", metadata={"namespace": "target"}, unsetOnly=True),
    "namespace-all-accounts": builtin("NamespaceTransformer", metadata={"namespace": "target"}, setRoleBindingSubjects="allServiceAccounts"),
    "namespace-no-subjects": builtin("NamespaceTransformer", metadata={"namespace": "target"}, setRoleBindingSubjects="none"),
    "prefix": builtin("PrefixTransformer", prefix="pre-", fieldSpecs=NAMES),
    "suffix": builtin("SuffixTransformer", suffix="-post", fieldSpecs=NAMES),
    "prefix-of-a-kind": builtin("PrefixTransformer", prefix="pre-", fieldSpecs=[{"path": "metadata/name", "kind": "ConfigMap"}]),
    "image-tag": builtin("ImageTagTransformer", imageTag={"name": "nginx", "newTag": "1.28"}),
    "image-name-and-digest": builtin("ImageTagTransformer", imageTag={"name": "nginx", "newName": "r.example.com/nginx", "digest": "sha256:def"}),
    "image-with-a-digest": builtin("ImageTagTransformer", imageTag={"name": "fluent", "newName": "fluent-bit"}),
    "image-with-a-port": builtin("ImageTagTransformer", imageTag={"name": "registry.example.com:5000/tools/init", "newTag": "v2"}),
    "image-at-fields": builtin("ImageTagTransformer", imageTag={"name": "nginx", "newTag": "x"}, fieldSpecs=[{"path": "spec/template/spec/containers[]/image"}]),
    "replicas": builtin("ReplicaCountTransformer", replica={"name": "web", "count": 5}, fieldSpecs=[{"path": "spec/replicas", "create": True, "kind": "Deployment"}]),
    "patch": builtin("PatchTransformer", patch="apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 4}\n"),
    "patch-of-a-target": builtin("PatchTransformer", target={"kind": "Deployment|Service"}, patch="apiVersion: v1\nkind: Any\nmetadata: {name: any, labels: {x: 'y'}}\n"),
    "patch-of-operations": builtin("PatchTransformer", target={"kind": "Deployment"}, patch="- {op: replace, path: /spec/replicas, value: 9}\n"),
    "json-patch": builtin("PatchJson6902Transformer", target={"group": "apps", "version": "v1", "kind": "Deployment", "name": "web"}, jsonOp="[{\"op\": \"remove\", \"path\": \"/spec/replicas\"}]"),
    "merge-patches": builtin("PatchStrategicMergeTransformer", patches="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: null, c: d}\n"),
}  # fmt: skip
OWN_NAMESPACE = ("prefix", "suffix", "prefix-of-a-kind")


@pytest.mark.parametrize("name", CASES)
def test_as_kustomize_does(name: str, tmp_path: Path) -> None:
    documents = SAME_NAMESPACE if name in OWN_NAMESPACE else DOCUMENTS
    ours = transformers.apply(copy.deepcopy(documents), [CASES[name]])
    (tmp_path / "resources.yaml").write_text(yaml.safe_dump_all(documents))
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(CASES[name]))
    (tmp_path / "kustomization.yaml").write_text("resources: [resources.yaml]\ntransformers: [t.yaml]\n")
    done = subprocess.run(
        [kustomize.binary(), "build", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    theirs = list(yaml.safe_load_all(done.stdout))

    def key(one: dict[str, Any]) -> tuple[str, str]:
        return one["kind"], one["metadata"]["name"]

    assert sorted(ours, key=key) == sorted(theirs, key=key)


def test_they_apply_in_turn() -> None:
    found = transformers.apply(DOCUMENTS, [CASES["image-tag"], CASES["replicas"], CASES["labels"]])
    assert found[0]["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.28"
    assert (found[0]["spec"]["replicas"], found[0]["metadata"]["labels"]["team"]) == (5, "a")
    assert DEPLOYMENT["spec"]["replicas"] == 1


def test_plugins_are_named() -> None:
    with pytest.raises(ConfigError) as caught:
        transformers.apply(
            DOCUMENTS, [{"apiVersion": "example.com/v1", "kind": "Colorize", "metadata": {"name": "x"}}]
        )
    assert caught.value.error_id == "patch.transformers"
    assert "Colorize" in caught.value.message
    assert "LabelTransformer" in caught.value.hint
