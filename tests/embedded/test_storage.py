from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helmflow.embedded.storage import Storage
from tests.embedded.api import CORE, Api

_WRITER = """
import json, sys
from pathlib import Path
from helmflow.embedded.server import ApiServer
from helmflow.kube.transport import Request
server = ApiServer(Path(sys.argv[1]))
for index in range(int(sys.argv[3])):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{sys.argv[2]}-{index}"}, "data": {}}
    answer = server.handle(Request(method="POST", path="/api/v1/namespaces/default/configmaps",
        headers={"content-type": "application/json"}, body=json.dumps(body).encode()))
    assert answer.status == 201, answer.read()
"""


def body(name: str, **metadata: object) -> dict[str, object]:
    return {"kind": "X", "metadata": {"name": name, "namespace": "n", "uid": f"uid-{name}", **metadata}}


def test_revisions_only_grow() -> None:
    storage = Storage(None)
    with storage.transaction():
        texts = [json.loads(storage.put("g/xs", body("a"))) for _ in range(3)]
    assert [int(t["metadata"]["resourceVersion"]) for t in texts] == [2, 3, 4]


def test_a_failed_transaction_leaves_nothing() -> None:
    storage = Storage(None)

    def fail() -> None:
        with storage.transaction():
            storage.put("g/xs", body("a"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert storage.records("g/xs") == []
    assert storage.revision() == 1


def test_owners_are_found_by_uid() -> None:
    storage = Storage(None)
    with storage.transaction():
        storage.put("g/xs", body("child", ownerReferences=[{"uid": "uid-parent"}]))
        assert storage.owned_by("uid-parent") == [("g/xs", "n", "child")]
        storage.put("g/xs", body("child"))
        assert storage.owned_by("uid-parent") == []


def test_compaction_keeps_what_kept_changes_replaced() -> None:
    storage = Storage(None)
    with storage.transaction():
        for _ in range(10):
            storage.put("g/xs", body("a"))
        storage.compact(keep=2)
        logged = storage.log_after("g/xs", storage.compacted(), None)
    assert [e.revision for e in logged] == [10, 11]
    assert all(e.previous is not None for e in logged)


def test_the_file_is_private(tmp_path: Path) -> None:
    Storage(tmp_path / "state" / "c.db")
    assert (tmp_path / "state" / "c.db").stat().st_mode & 0o077 == 0


def test_processes_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    Api(path).server.close()
    running = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(path), name, "40"])
        for name in ("one", "two", "three")
    ]
    assert [p.wait(timeout=60) for p in running] == [0, 0, 0]
    api = Api(path)
    items = api.get(f"{CORE}/configmaps")["items"]
    assert len(items) == 121
    assert len({i["metadata"]["resourceVersion"] for i in items}) == 121
    api.server.close()


def test_a_killed_process_leaves_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    running = subprocess.Popen([sys.executable, "-c", _WRITER, str(path), "one", "100000"])
    api = Api(path)
    for _ in range(200):
        if len(api.get(f"{CORE}/configmaps")["items"]) > 20:
            break
        __import__("time").sleep(0.05)
    running.kill()
    running.wait(timeout=10)
    api.server.close()
    again = Api(path)
    assert len(again.get(f"{CORE}/configmaps")["items"]) > 20
    again.server.close()
