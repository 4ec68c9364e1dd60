"""Put a Markdown file on a pull request as one comment that later runs update in place. Standard library only.

    python3 sticky_comment.py plan.md

The file's first line is a marker (`helmflow diff -o markdown` writes it); the comment that begins with the same line
is updated, otherwise a new one is written. Where to write is taken from the environment:

    GitHub, and Jenkins with GitHub:  GITHUB_TOKEN, GITHUB_REPOSITORY (owner/name), PR_NUMBER or CHANGE_ID, [GITHUB_API_URL]
    GitLab:                           GITLAB_TOKEN, CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

PAGES = 50  # of 100 comments: a longer discussion gets a second comment


def main() -> int:
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    marker = text.split("\n", 1)[0].strip()
    if not marker.startswith("<!-- helmflow "):
        print(f"{sys.argv[1]} does not begin with a helmflow marker", file=sys.stderr)
        return 1
    try:
        print(gitlab(marker, text) if "CI_MERGE_REQUEST_IID" in os.environ else github(marker, text))
    except urllib.error.HTTPError as error:
        print(f"the forge answered {error.code}: {error.read(500).decode(errors='replace')}", file=sys.stderr)
        return 1
    return 0


def github(marker: str, text: str) -> str:
    api = os.environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
    number = os.environ.get("PR_NUMBER") or os.environ["CHANGE_ID"]
    repository = f"{api}/repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    headers = {
        "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
        "Accept": "application/vnd.github+json",
    }
    found = _find(f"{repository}/{int(number)}/comments?per_page=100", headers, marker)
    if found is None:
        _ask("POST", f"{repository}/{int(number)}/comments", headers, {"body": text})
        return "commented"
    _ask("PATCH", f"{repository}/comments/{found}", headers, {"body": text})
    return "updated the comment"


def gitlab(marker: str, text: str) -> str:
    project = os.environ["CI_PROJECT_ID"]
    request = os.environ["CI_MERGE_REQUEST_IID"]
    notes = f"{os.environ['CI_API_V4_URL']}/projects/{int(project)}/merge_requests/{int(request)}/notes"
    headers = {"PRIVATE-TOKEN": os.environ["GITLAB_TOKEN"]}
    found = _find(f"{notes}?per_page=100", headers, marker)
    if found is None:
        _ask("POST", notes, headers, {"body": text})
        return "commented"
    _ask("PUT", f"{notes}/{found}", headers, {"body": text})
    return "updated the comment"


def _find(url: str, headers: dict[str, str], marker: str) -> int | None:
    for page in range(1, PAGES + 1):
        comments = _ask("GET", f"{url}&page={page}", headers)
        for comment in comments:
            if str(comment.get("body") or "").split("\n", 1)[0].strip() == marker:
                return int(comment["id"])
        if len(comments) < 100:
            break
    return None


def _ask(method: str, url: str, headers: dict[str, str], body: dict[str, str] | None = None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, method=method)
    for name, value in {**headers, "Content-Type": "application/json", "User-Agent": "helmflow"}.items():
        request.add_header(name, value)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


if __name__ == "__main__":
    sys.exit(main())
