"""Real Helm's SDK in a process that is called helm: it names its field manager after the program it is part of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_CODE = """\
import json, sys, helm_python
config, calls = json.loads(sys.argv[1])
with helm_python.Config(**config) as helm:
    answers = [getattr(helm, action)(**arguments) for action, arguments in calls]
    print(json.dumps([list(answer) if action in ('list', 'history') else answer
                      for (action, _), answer in zip(calls, answers)], default=str))
"""


def helm(config: dict[str, Any], action: str, arguments: dict[str, Any]) -> Any:
    """What an action of the SDK answers."""
    (answer,) = helm_calls(config, [(action, arguments)])
    return answer


def helm_calls(config: dict[str, Any], calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
    """What several actions answer, one after the other in one process."""
    import helm_python

    done = subprocess.run(
        ["helm", "-c", _CODE, json.dumps([config, calls])],
        executable=os.path.realpath(sys.executable),
        env={**os.environ, "PYTHONPATH": str(Path(helm_python.__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))
