"""Where Helm 3 and Helm 4 render differently: one table, read by the few places that differ."""

from __future__ import annotations

from helmflow.core.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


@dataclass(frozen=True, slots=True, eq=False)
class Behaviour:
    """One line of Helm, of which there is one object each. The rules that both share are nowhere here."""

    major: int
    cleans_default_nulls: bool  # a null in values.yaml never reaches templates
    chart_is_map: bool  # .Chart takes any key; in Helm 3 an unknown field is an error
    chart_values_type: str  # what typeOf .Values says
    capabilities_package: str
    errors_in_blocks: bool  # one block per template frame instead of one line
    must_yaml_functions: bool  # mustToYaml and mustToToml exist
    webhooks_in_order: bool  # webhook configurations have a place in the install order
    trims_document_ends: bool  # documents lose their trailing blank space when split
    post_renders_hooks: bool
    multiple_values_documents: bool


HELM_4: Final = Behaviour(
    major=4,
    cleans_default_nulls=True,
    chart_is_map=True,
    chart_values_type="common.Values",
    capabilities_package="common",
    errors_in_blocks=True,
    must_yaml_functions=True,
    webhooks_in_order=True,
    trims_document_ends=False,
    post_renders_hooks=True,
    multiple_values_documents=True,
)
HELM_3: Final = Behaviour(
    major=3,
    cleans_default_nulls=False,
    chart_is_map=False,
    chart_values_type="chartutil.Values",
    capabilities_package="chartutil",
    errors_in_blocks=False,
    must_yaml_functions=False,
    webhooks_in_order=False,
    trims_document_ends=True,
    post_renders_hooks=False,
    multiple_values_documents=False,
)


def behaviour(major: int) -> Behaviour:
    """The line for `helm_version` 4 or 3."""
    return HELM_3 if major == 3 else HELM_4
