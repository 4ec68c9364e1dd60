"""A Plan or a finished run as one self-contained HTML page: searchable diff, graph, timeline, evidence. Nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Final

from helmflow.core.errors import Mistake
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, field
from helmflow.core.sensitive import mask_everything
from helmflow.execute.report import ReleaseReport, RunReport
from helmflow.plan import risk
from helmflow.plan.model import ActionKind, Change, ChangeKind, Plan, ReleasePlan
from helmflow.ui import diff_view, html_graph, markdown
from helmflow.ui.graph_view import Node
from helmflow.ui.recording import Recorder, Track, critical_path
from helmflow.ui.text import duration, namer, plural, sanitize

_CONTEXT: Final = 3
_LEVELS: Final = {
    risk.Level.DATA: "data",
    risk.Level.REACH: "reach",
    risk.Level.RESTART: "restart",
    risk.Level.NOTE: "note",
}


@dataclass(slots=True)
class _Page:
    """What is known of every release, in the order it is shown."""

    title: str
    plan: Plan | None
    report: RunReport | None
    tracks: Mapping[ReleaseId, Track]
    ids: Sequence[ReleaseId]
    planned: Mapping[ReleaseId, ReleasePlan] = field(default_factory=dict)
    reported: Mapping[ReleaseId, ReleaseReport] = field(default_factory=dict)
    risks: Sequence[risk.Risk] = ()
    critical: Sequence[ReleaseId] = ()

    def anchor(self, release: ReleaseId) -> str:
        return f"r{self.ids.index(release)}"

    def name(self, release: ReleaseId) -> str:
        return namer(self.ids)(release)

    def word(self, release: ReleaseId) -> str:
        """What became of it after a run, what is planned before one."""
        if release in self.reported:
            return self.reported[release].outcome.value
        return self.planned[release].action.kind.value


def render(
    plan: Plan | None,
    report: RunReport | None = None,
    recorder: Recorder | None = None,
    *,
    masked: bool = True,
) -> str:
    """The page. Everything from charts, files and clusters is text in it; no script but the page's own can run.

    `masked` False leaves the secrets in that were asked for with --show-secrets.
    """
    page = _page(plan, report, recorder)
    body, title = "".join(_body(page)), _text(page.title)
    if masked:
        body, title = mask_everything(body), mask_everything(title)
    style, script = _asset("report.css"), _asset("report.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'
        f"<title>{title}</title><style>{style}</style></head>\n<body>{body}<script>{script}</script></body></html>\n"
    )


def _page(plan: Plan | None, report: RunReport | None, recorder: Recorder | None) -> _Page:
    about = report or plan
    assert about is not None
    ids = [release.id for release in about.releases]
    if plan is not None:
        ids += [release.id for release in plan.releases if release.id not in set(ids)]
    return _Page(
        title=f"helmflow {about.command}: {about.environment} @ {about.cluster}",
        plan=plan,
        report=report,
        tracks=recorder.tracks if recorder is not None else {},
        ids=ids,
        planned={release.id: release for release in plan.releases} if plan else {},
        reported={release.id: release for release in report.releases} if report else {},
        risks=risk.assess(plan) if plan else (),
        critical=critical_path(recorder) if report and recorder else (),
    )


def _body(page: _Page) -> Iterator[str]:
    yield _bar(page)
    yield "<main><header>"
    yield f"<h1>{_text(page.title)}</h1>"
    yield from _subtitle(page)
    yield from _chips(page)
    yield "</header>"
    yield from _risks(page)
    yield from _table(page)
    yield from _pictures(page)
    shown = [release for release in page.ids if _has_section(page, release)]
    yield "<h2>Releases</h2>"
    for release in shown:
        yield from _release(page, release)
    if not shown:
        yield '<p class="card empty">Nothing changes.</p>'
    yield from _foot(page)
    yield "</main>"


def _bar(page: _Page) -> str:
    words = list(dict.fromkeys(page.word(release) for release in page.ids if _has_section(page, release)))
    filters = "".join(
        f'<button type="button" data-filter="{_text(word)}" aria-pressed="false">{_text(word)}</button>'
        for word in words
        if len(words) > 1
    )
    return (
        '<div class="bar" role="search"><input id="search" type="search" placeholder="Search names, fields, values  ( / )"'
        ' aria-label="Search the report" autocomplete="off" spellcheck="false">'
        f'<span id="hits" class="hits" aria-live="polite"></span>{filters}'
        '<button type="button" id="expand">Expand all</button><button type="button" id="collapse">Collapse all</button>'
        '<button type="button" id="theme" title="Light or dark (t)">◐</button></div>'
    )


def _subtitle(page: _Page) -> Iterator[str]:
    if page.report is None:
        changed = len(page.plan.changed) if page.plan else 0
        yield f'<p class="sub">{plural(changed, "release")} would change, of {len(page.ids)}</p>'
        return
    report = page.report
    if report.error is not None:
        yield '<p class="sub">Nothing was run: planning failed.</p>'
        yield f"<pre>{_text(markdown.mistake_text(report.error))}</pre>"
        return
    end = f"cancelled by {report.signal or 'a signal'}" if report.cancelled else "finished"
    yield (
        f'<p class="sub">{_text(end)} after {duration(report.seconds)} · {plural(report.writes, "write")} · '
        f"{plural(report.requests, 'request')}</p>"
    )


def _chips(page: _Page) -> Iterator[str]:
    counts: dict[str, int] = {}
    for release in page.ids:
        word = page.word(release)
        counts[word] = counts.get(word, 0) + 1
    yield '<ul class="chips">'
    for word, count in counts.items():
        yield f"<li><b>{count}</b> {_text(_SAID.get(word, word))}</li>"
    if page.plan is not None:
        kinds = [c.kind for r in page.plan.changed for c in r.changes if not c.hook]
        for sign, style, wanted in _SIGNS:
            number = sum(kind in wanted for kind in kinds)
            if number:
                yield f'<li class="{style}"><b>{sign}{number}</b> objects</li>'
    yield "</ul>"


_SAID: Final = {"keep": "unchanged", "untouched": "not started"}
_SIGNS: Final = (
    ("+", "plus", (ChangeKind.CREATE,)),
    ("~", "changed", (ChangeKind.UPDATE, ChangeKind.REPLACE, ChangeKind.ADOPT)),
    ("−", "minus", (ChangeKind.DELETE,)),
)


def _risks(page: _Page) -> Iterator[str]:
    serious = [found for found in page.risks if found.level >= risk.Level.RESTART]
    if not serious:
        return
    yield '<h2>Look twice</h2><ul class="card risks">'
    for found in serious:
        level = _LEVELS[found.level]
        yield (
            f'<li><span class="tag {level}">{level}</span><span><a href="#{page.anchor(found.release)}">'
            f"{_text(page.name(found.release))}</a>: {_text(found.phrase)}</span></li>"
        )
    yield "</ul>"


def _table(page: _Page) -> Iterator[str]:
    ran = page.report is not None
    yield '<h2>Summary</h2><div class="card scroll"><table><thead><tr><th>Release</th><th>Action</th>'
    yield "<th>Objects</th>" if page.plan else ""
    yield "<th>Outcome</th><th>Time</th>" if ran else ""
    yield "<th>Chart</th><th>Why</th></tr></thead><tbody>"
    for release in page.ids:
        planned, reported = page.planned.get(release), page.reported.get(release)
        action = reported.action if reported else planned.action.kind.value if planned else ""
        chart = (reported.chart if reported else "") or (planned.chart if planned else "")
        why = reported.reason if reported else planned.action.reason if planned else ""
        name = _text(page.name(release))
        link = f'<a href="#{page.anchor(release)}">{name}</a>' if _has_section(page, release) else name
        row = "" if _has_section(page, release) else f' id="{page.anchor(release)}"'
        yield f'<tr{row}><td data-search>{link}</td><td><span class="tag {_text(action)}">{_text(_SAID.get(action, action))}</span></td>'
        if page.plan:
            yield f'<td class="num">{_counts(planned.changes) if planned else ""}</td>'
        if reported:
            outcome = reported.outcome.value
            yield f'<td><span class="tag {outcome}">{_SAID.get(outcome, outcome)}</span></td>'
            yield f'<td class="num">{duration(reported.seconds) if reported.seconds else "–"}</td>'
        elif ran:
            yield "<td></td><td></td>"
        yield f'<td class="mono">{_text(chart)}</td><td class="why">{_text(_first_line(why))}</td></tr>'
    yield "</tbody></table></div>"


def _pictures(page: _Page) -> Iterator[str]:
    graph: Mapping[ReleaseId, Iterable[ReleaseId]] = page.plan.needs if page.plan else {}
    if any(graph.get(release) for release in page.ids):
        nodes = [
            Node(
                key=str(release),
                kind="release",
                label=page.name(release),
                detail=_SAID.get(page.word(release), page.word(release)),
                needs=tuple(sorted(str(need) for need in graph.get(release, ()))),
            )
            for release in page.ids
        ]
        anchors = {str(release): page.anchor(release) for release in page.ids}
        kinds = {str(release): page.word(release) for release in page.ids}
        yield f'<h2>What needs what</h2><div class="card scroll">{html_graph.graph(nodes, anchors, kinds)}</div>'
    if page.report is not None:
        rows = [
            html_graph.Row(
                anchor=page.anchor(release),
                name=page.name(release),
                kind=page.word(release),
                track=page.tracks[release],
            )
            for release in page.ids
            if release in page.tracks
        ]
        rows.sort(key=lambda row: row.track.began or 0.0)
        critical = frozenset(page.anchor(release) for release in page.critical)
        drawn = html_graph.timeline(rows, page.report.seconds, critical)
        if drawn:
            yield f'<h2>Timeline</h2><div class="card scroll">{drawn}</div>'
            path = " → ".join(page.name(release) for release in page.critical)
            yield f'<p class="sub">Critical path: {_text(path)}</p>'


def _has_section(page: _Page, release: ReleaseId) -> bool:
    if release in page.reported:
        return True
    return page.planned[release].action.kind is not ActionKind.KEEP


def _release(page: _Page, release: ReleaseId) -> Iterator[str]:
    planned, reported = page.planned.get(release), page.reported.get(release)
    word = page.word(release)
    why = reported.reason if reported else planned.action.reason if planned else ""
    opened = " open" if word in ("failed", "refuse") else ""
    yield f'<details class="card release" id="{page.anchor(release)}" data-words="{_text(word)}"{opened}><summary>'
    yield f'<span class="name" data-search>{_text(page.name(release))}</span><span class="tag {_text(word)}">{_text(_SAID.get(word, word))}</span>'
    yield f'<span class="grow" data-search>{_text(_first_line(why))}</span>'
    if planned is not None:
        yield f'<span class="count">{_counts(planned.changes)}</span>'
    yield '</summary><div class="body">'
    yield from _failure(page, planned, reported)
    yield from _facts(page, planned, reported)
    if planned is not None:
        for change in planned.changes:
            if change.shows:
                yield from _object(change, planned)
    if reported is not None and reported.notes.strip():
        yield f'<details class="object notes"><summary><span>Notes</span></summary><pre><span data-search>{_text(reported.notes.strip())}</span></pre></details>'
    yield "</div></details>"


def _failure(page: _Page, planned: ReleasePlan | None, reported: ReleaseReport | None) -> Iterator[str]:
    mistake: Mistake | None = reported.failure if reported else planned.action.error if planned else None
    if mistake is None:
        return
    step = f" in {reported.failed_step}" if reported and reported.failed_step else ""
    yield f'<div class="failure"><p><b>{_text(mistake.error_id)}</b>{_text(step)}</p><p data-search>{_text(mistake.message)}</p>'
    if mistake.hint:
        yield f'<p class="hint">{_text(mistake.hint)}</p>'
    track = page.tracks.get(reported.id) if reported else None
    lines = [f"{ref}: {why}" for ref, why in sorted(track.waiting.items())] if track else []
    lines += list(track.logs)[-20:] if track else []
    if lines:
        yield "<pre>" + "".join(f"<span data-search>{_text(line)}</span>" for line in lines) + "</pre>"
    yield "</div>"


def _facts(page: _Page, planned: ReleasePlan | None, reported: ReleaseReport | None) -> Iterator[str]:
    facts: list[tuple[str, str]] = []
    chart = (planned.chart if planned else "") or (reported.chart if reported else "")
    facts.append(("Chart", chart))
    if planned is not None:
        facts.append(("App version", planned.app_version))
        facts.append(("Chart digest", planned.chart_digest))
        facts.append(("Differs in", ", ".join(planned.because)))
        if page.plan is not None:
            needs = sorted(page.plan.needs.get(planned.id, ()))
            facts.append(("Needs", ", ".join(map(page.name, needs))))
    if reported is not None:
        facts.append(("Revision", f"{reported.revision} {reported.status}" if reported.revision else ""))
        if reported.because_of is not None:
            facts.append(("Because of", page.name(reported.because_of)))
        facts.append(("Kept", ", ".join(map(str, reported.kept))))
    known = [(title, value) for title, value in facts if value]
    if known:
        rows = "".join(f"<dt>{title}</dt><dd data-search>{_text(value)}</dd>" for title, value in known)
        yield f'<dl class="facts">{rows}</dl>'


def _object(change: Change, plan: ReleasePlan) -> Iterator[str]:
    lines = diff_view.lines(change, plan.because, context=_CONTEXT)
    added = sum(line.startswith("+ ") for line in lines)
    removed = sum(line.startswith("- ") for line in lines)
    ref = change.ref
    opened = " open" if change.kind not in (ChangeKind.CREATE, ChangeKind.DELETE) and len(lines) <= 60 else ""
    where = ref.namespace or plan.owner.namespace
    note = "hook" if change.hook else ""
    yield (
        f'<details class="object"{opened}><summary><span class="name mono" data-search>{_text(ref.kind)} {_text(where)}/{_text(ref.name)}</span>'
        f'<span class="tag">{change.kind.value}</span>{f"<span class=tag>{note}</span>" if note else ""}'
        f'<span class="grow" data-search>{_text(_why(change, plan))}</span>'
        f'<span class="count"><span class="plus">+{added}</span> <span class="minus">−{removed}</span></span></summary><pre>'
    )
    yield from _diff(lines)
    yield "</pre></details>"


def _why(change: Change, plan: ReleasePlan) -> str:
    said = list(dict.fromkeys(diff_view.words(cause, plan.because) for cause in change.causes))
    if not said or change.kind is ChangeKind.ADOPT:
        return change.reason
    return said[0] if len(said) == 1 else "several reasons, each beside its lines"


def _diff(lines: Sequence[str]) -> Iterator[str]:
    """Lines as spans; where as many go as come, the parts that differ are marked."""
    position = 0
    while position < len(lines):
        gone = _run(lines, position, "- ")
        come = _run(lines, position + len(gone), "+ ")
        if gone or come:
            pairs = list(zip(gone, come, strict=True)) if len(gone) == len(come) else []
            yield from (_line("d", one, other) for one, other in pairs or [(line, "") for line in gone])
            yield from (_line("a", other, one) for one, other in pairs or [("", line) for line in come])
            position += len(gone) + len(come)
            continue
        line = lines[position]
        kind = {".": "g", "#": "y"}.get(line[:1], "")
        yield _line(kind, line, "")
        position += 1


def _run(lines: Sequence[str], start: int, sign: str) -> Sequence[str]:
    end = start
    while end < len(lines) and lines[end].startswith(sign):
        end += 1
    return lines[start:end]


def _line(kind: str, line: str, other: str) -> str:
    style = f' class="{kind}"' if kind else ""
    shown = _text(line)
    if other:
        start = 2
        while start < min(len(line), len(other)) and line[start] == other[start]:
            start += 1
        end = 0
        while end < min(len(line), len(other)) - start and line[-1 - end] == other[-1 - end]:
            end += 1
        stop = len(line) - end
        if start > 2 and stop > start:
            shown = f"{_text(line[:start])}<b>{_text(line[start:stop])}</b>{_text(line[stop:])}"
    return f"<span{style} data-search>{shown}</span>"


def _counts(changes: Iterable[Change]) -> str:
    kinds = [change.kind for change in changes if not change.hook]
    words = [
        f'<span class="{style}">{sign}{number}</span>'
        for sign, style, wanted in _SIGNS
        if (number := sum(kind in wanted for kind in kinds))
    ]
    return " ".join(words)


def _foot(page: _Page) -> Iterator[str]:
    left_out = _ignored(page)
    yield "<footer>"
    if left_out:
        said = ", ".join(f"{count} {rule}" for rule, count in left_out.items())
        yield f"<p>Fields not shown: {_text(said)} (helmflow diff --show-ignored shows them)</p>"
    yield (
        "<p><kbd>/</kbd> search <kbd>Enter</kbd> next match <kbd>j</kbd> <kbd>k</kbd> release <kbd>e</kbd> expand "
        "<kbd>c</kbd> collapse <kbd>t</kbd> light or dark</p></footer>"
    )


def _ignored(page: _Page) -> Mapping[str, int]:
    from helmflow.ui import plan_json

    return plan_json.ignored(page.plan) if page.plan else {}


def _first_line(text: str) -> str:
    # Masked before it is cut: half a secret is found by no mask.
    return sanitize(mask_everything(text)).split("\n")[0][:300]


def _text(text: str) -> str:
    return escape(sanitize(text))


@cache
def _asset(name: str) -> str:
    return files("helmflow.ui").joinpath("assets", name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
