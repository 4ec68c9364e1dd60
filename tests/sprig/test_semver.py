"""The version object that templates see."""

from __future__ import annotations

import pytest

from helmflow.api import render_text
from helmflow.core.errors import TemplateError


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{{ $v := semver "v1.2.3-beta.1+b" }}{{ $v.Major }}.{{ $v.Minor }}.{{ $v.Patch }} {{ $v.Prerelease }} {{ $v.Metadata }}', "1.2.3 beta.1 b"),
        ('{{ semver "v1.2" }} {{ (semver "v1.2").Original }}', "1.2.0 v1.2"),
        ('{{ (semver "1.2.3").Compare (semver "1.10.0") }}', "-1"),
        ('{{ (semver "1.2.3").LessThan (semver "1.10.0") }}', "true"),
        ('{{ (semver "v1.2.3").IncMinor }} {{ (semver "v1.2.3").IncMinor.Original }}', "1.3.0 v1.3.0"),
        ('{{ semver "1.2.3" | toJson }} {{ typeOf (semver "1.2.3") }}', '"1.2.3" *semver.Version'),
    ],
)  # fmt: skip
def test_version_object(template: str, text: str) -> None:
    assert render_text(template, {}) == text


def test_no_version() -> None:
    with pytest.raises(TemplateError, match="error calling semver: invalid semantic version"):
        render_text('{{ semver "bad" }}', {})
