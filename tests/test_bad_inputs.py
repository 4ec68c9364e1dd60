"""The list of bad inputs for archives, Chart.yaml, locks, indexes, registries and credentials: each has a named test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
HOSTILE = "cli/test_hostile_charts.py"
ARCHIVES = f"{HOSTILE}::test_an_archive_of_the_list_is_pulled_and_unpacked"
FOLDERS = f"{HOSTILE}::test_a_folder_of_the_list_is_packed_linted_and_tried"
SOURCES = "providers/test_sources.py::"
SETTINGS = "providers/test_source_settings.py::"
FETCH = "providers/test_fetch.py::"
REGISTRY = "providers/test_hostile_registry.py::"
LOCK = "providers/test_chart_lock.py::"
# What went wrong in the trusted tools, and the classes of input: the tests, and the case of a table where it is one.
LIST: dict[str, tuple[str, ...]] = {
    **{str(number): (f"{ARCHIVES}[{number} ",) for number in range(1, 13)},
    **{str(number): (f"{FOLDERS}[{number} ",) for number in (13, 14, 15, 16, 18, 19, 20, 21, 22, 26)},
    "17": (f"{ARCHIVES}[17 ", f"{FOLDERS}[17 "),
    "23": (f"{HOSTILE}::test_23_dependencies_that_lead_back_or_out", f"{FETCH}test_dependencies_that_lead_back_to_the_chart_end_in_an_error"),
    "24": (f"{FOLDERS}[24 ", f"{LOCK}test_a_lock_file_that_is_no_file_is_never_written_through",
           f"{SOURCES}test_a_lock_that_is_a_link_is_neither_read_nor_written"),
    "25": (f"{HOSTILE}::test_25_a_lock_of_something_else", f"{SOURCES}test_locks_pin_and_refuse_what_differs", f"{SOURCES}test_broken_locks_are_said"),
    "27": (f"{ARCHIVES}[27 ", f"{FOLDERS}[27 "),
    "28": (f"{SOURCES}test_entries_that_helm_would_skip_are_skipped", f"{SOURCES}test_hostile_indexes_are_refused_with_one_error",
           f"{SOURCES}test_an_index_of_30_mb_is_read_in_bounded_memory", f"{FETCH}test_an_archive_that_is_not_what_the_index_promises_is_refused"),
    "29": (f"{HOSTILE}::test_29_no_terminal_escapes_are_printed", f"{FOLDERS}[29 "),
    "43": (f"{HOSTILE}::test_43_redirects_elsewhere", f"{SOURCES}test_redirects_to_other_schemes_are_not_followed",
           f"{FETCH}test_credentials_reach_their_own_host_only"),
    "44": (f"{HOSTILE}::test_44_credentials_stay_with_their_repository", f"{FETCH}test_an_archive_on_another_host_gets_no_credentials"),
    "45": (f"{REGISTRY}test_what_a_registry_may_do", f"{REGISTRY}test_a_digest_is_a_promise",
           f"{REGISTRY}test_a_blob_on_another_host_is_fetched_without_credentials", f"{REGISTRY}test_a_password_goes_to_no_token_service_in_the_open"),
    "46": (f"{SETTINGS}test_a_proxy_gets_every_request_and_its_own_password_only", f"{SETTINGS}test_a_server_with_certificates_refuses_and_is_refused"),
    "47": (f"{HOSTILE}::test_47_credentials_are_in_no_error", f"{SETTINGS}test_no_secret_of_a_source_is_in_the_arguments_of_git",
           f"{FETCH}test_wrong_credentials_are_said_without_showing_them"),
    "59": ("providers/test_remote.py::test_hostile_urls_are_refused_before_anything_runs",
           f"{SOURCES}test_hostile_and_foreign_references_are_refused_before_anything_runs"),
    "CVE-2019-1000008": (f"{ARCHIVES}[1 ",),
    "CVE-2019-1010275": (f"{SETTINGS}test_a_server_with_certificates_refuses_and_is_refused",),
    "CVE-2019-18658": (f"{FOLDERS}[13 ",),
    "CVE-2020-15184": (f"{FOLDERS}[19 ",),
    "CVE-2020-15185": (f"{SOURCES}test_hostile_indexes_are_refused_with_one_error",),
    "CVE-2021-21303": (f"{HOSTILE}::test_29_no_terminal_escapes_are_printed", f"{SOURCES}test_entries_that_helm_would_skip_are_skipped"),
    "CVE-2021-32690": (f"{HOSTILE}::test_44_credentials_stay_with_their_repository",),
    "CVE-2022-23525": (f"{SOURCES}test_entries_that_helm_would_skip_are_skipped",),
    "CVE-2024-25620": (f"{ARCHIVES}[17 a name with a path",),
    "CVE-2024-26147": (f"{SOURCES}test_entries_that_helm_would_skip_are_skipped",),
    "CVE-2025-32386": (f"{ARCHIVES}[7 ",),
    "CVE-2025-53547": (f"{LOCK}test_a_lock_file_that_is_no_file_is_never_written_through",),
    "CVE-2025-55198": (f"{FOLDERS}[20 ", f"{FOLDERS}[21 ", f"{SOURCES}test_entries_that_helm_would_skip_are_skipped"),
    "CVE-2026-35205": ("providers/test_trust.py::test_what_cannot_be_verified_says_so_in_helms_words", f"{LOCK}test_dependencies_may_have_to_be_signed"),
    "CVE-2026-35206": (f"{ARCHIVES}[17 a name of dots",),
}  # fmt: skip


@pytest.mark.parametrize("row", LIST)
def test_every_row_has_its_test(row: str) -> None:
    for name in LIST[row]:
        file, _, rest = name.partition("::")
        function, bracket, case = rest.partition("[")
        text = (TESTS / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {function}\(", text, re.MULTILINE), name
        assert not bracket or re.search(rf'^\s+"{re.escape(case)}|"{re.escape(case)}', text, re.MULTILINE), (
            name
        )
