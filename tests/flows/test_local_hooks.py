"""The user's own hooks: order, errors, what they are told."""

from __future__ import annotations

from helmflow.core.events import LocalHookOutput
from helmflow.execute.report import Outcome
from tests.flows import charts
from tests.flows.town import Town, report_of

EVENTS = "prepare, presync, preuninstall, postuninstall, postsync, cleanup"


def _hooked(town: Town, extra: str = "") -> None:
    charts.small(town)
    town.file(
        "helmflow.yaml",
        """\
        hooks:
          - events: [prepare, cleanup]
            command: sh
            args: ["-c", "echo global {{`{{ .Event.Name }}`}} >> log"]
        releases:
          - name: web
            namespace: NS(apps)
            chart: ./charts/web
            values: [values.yaml]
            hooks:
              - events: [prepare, preapply, presync, preuninstall, postuninstall, postsync, cleanup]
                showlogs: true
                command: sh
                args: ["-c", "echo {{`{{ .Event.Name }} {{ .Release.Name }}`}} | tee -a log"]
        """.replace("{{`", "").replace("`}}", "")
        + extra,
    )


def _log(town: Town) -> list[str]:
    log = town.folder / "log"
    found = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return found


def test_hooks_fire_in_helmfiles_order(town: Town) -> None:
    _hooked(town)
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    assert _log(town) == [
        "global prepare",
        "prepare web",
        "presync web",
        "postsync web",
        "cleanup web",
        "global cleanup",
    ]
    shown = [event.line for event in town.events if isinstance(event, LocalHookOutput)]
    assert "presync web" in shown


def test_an_unchanged_release_only_prepares_and_cleans_up(town: Town) -> None:
    _hooked(town)
    town.sync()
    _log(town)
    town.sync()
    assert _log(town) == ["global prepare", "prepare web", "cleanup web", "global cleanup"]


def test_apply_asks_preapply_only_where_something_changes(town: Town) -> None:
    _hooked(town)
    town.apply()
    assert "preapply web" in _log(town)
    town.apply()
    assert "preapply web" not in _log(town)


def test_destroy_fires_the_uninstall_hooks(town: Town) -> None:
    _hooked(town)
    town.sync()
    _log(town)
    town.destroy()
    fired = _log(town)
    assert fired.index("preuninstall web") < fired.index("postuninstall web")


def test_a_failing_presync_stops_the_release_and_postsync_still_runs(town: Town) -> None:
    _hooked(town)
    text = (town.folder / "helmflow.yaml").read_text()
    text += "      - {events: [presync], command: sh, args: ['-c', 'echo broken; exit 3']}\n"
    town.file("helmflow.yaml", text)
    report = town.sync()
    failed = report_of(report, "web")
    assert failed.outcome is Outcome.FAILED
    assert failed.failure is not None
    assert failed.failure.error_id == "hook.failed"
    assert "broken" in failed.failure.message
    assert town.history("web") == []
    assert "postsync web" in _log(town)


def test_a_failing_postsync_fails_a_release_that_is_deployed(town: Town) -> None:
    _hooked(town)
    text = (town.folder / "helmflow.yaml").read_text()
    text += "      - {events: [postsync], command: 'false'}\n"
    town.file("helmflow.yaml", text)
    report = town.sync()
    assert report_of(report, "web").outcome is Outcome.FAILED
    assert town.statuses("web") == ["deployed"]


def test_a_kubectl_apply_hook_goes_through_our_client(town: Town) -> None:
    _hooked(town)
    town.file("extra.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-hook}\n")
    text = (town.folder / "helmflow.yaml").read_text()
    text += "      - {events: [postsync], kubectlApply: {filename: extra.yaml}}\n"
    town.file("helmflow.yaml", text)
    report = town.sync()
    assert report.ok, report_of(report, "web").failure
    assert "from-hook" in town.names("ConfigMap")
