"""What is made when it is first used, also by many threads at once."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helmflow.core import lazy


def test_threads_wait_for_a_module_that_one_of_them_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.2)\nnumber = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    slow = lazy.module("slow_to_import")

    def late(wait: float) -> int:
        time.sleep(wait)
        found: int = slow.number
        return found

    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(late, (0.0, 0.05, 0.1, 0.1))) == [1, 1, 1, 1]
    finally:
        sys.modules.pop("slow_to_import", None)
