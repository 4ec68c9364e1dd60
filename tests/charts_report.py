"""Every recorded real chart and what differs: `python -m tests.charts_report [TEXT IN THE CASE'S NAME]`."""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.charts_cases import Case, cases, differences


def outcome(case: Case) -> tuple[str, list[str]]:
    try:
        return str(case), differences(case)
    except Exception:  # noqa: BLE001 - a bug in one chart must not hide the others
        return str(case), ["bug: " + traceback.format_exc()]


def main() -> int:
    """Print a line per case, then the count; fail where a case differs."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [case for case in cases() if wanted in str(case)]
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(max_workers=2) as pool:
        for name, found in pool.map(outcome, chosen, chunksize=16):
            counts["differs" if found else "equal"] += 1
            print(f"{'DIFFERS' if found else 'equal  '} {name}")
            for text in found:
                print(f"        {text}")
    print(f"{counts['equal']} of {len(chosen)} cases equal, {counts['differs']} differ")
    return 1 if counts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
