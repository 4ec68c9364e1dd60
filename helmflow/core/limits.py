"""Every size, depth and time limit, with its reason. All are listed in docs/compatibility.md."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_CHART_BYTES: Final = 100 * MIB  # Helm's own bound on a decompressed archive: decompression bombs
MAX_CHART_FILE_BYTES: Final = 5 * MIB  # Helm's own bound on one member of an archive
MAX_CHART_MEMBERS: Final = 20_000  # an archive of a million empty files is no chart
MAX_STATE_FILE_BYTES: Final = 32 * MIB  # a rendered state file of 10,000 releases is about 8 MiB
MAX_YAML_DEPTH: Final = (
    400  # nesting of YAML; go-yaml allows 10,000, the deepest recorded chart needs about 60
)
MAX_DATA_DEPTH: Final = 400  # nesting of JSON, for the same reason
MAX_TEMPLATE_OUTPUT_BYTES: Final = 256 * MIB  # one render, all files together
MAX_INCLUDE_DEPTH: Final = 1000  # Helm's recursionMaxNums, per template name
MAX_TPL_DEPTH: Final = 200  # nested tpl calls; Helm has no bound and its process dies
MAX_TEMPLATE_DEPTH: Final = 100_000  # Go's maxExecDepth for {{ template }}
MAX_TEMPLATE_TEXT_BYTES: Final = (
    16 * MIB
)  # what one template or printf gives; the largest recorded one is 2 MiB
MAX_TEMPLATE_STEPS: Final = (
    5_000_000  # loop rounds and template calls of one render; large charts need 200,000
)
MAX_LIST_ITEMS: Final = 10_000_000  # append, concat: list growth
MAX_SEQUENCE_ITEMS: Final = 1_000_000  # until, untilStep, seq: ten million numbers alone would fill 400 MiB
MAX_STRING_BYTES: Final = 256 * MIB  # repeat, indent, printf widths
MAX_RENDER_SECONDS: Final = 120.0  # one chart; the slowest recorded chart needs about 2 s cold
MAX_INDEX_BYTES: Final = 64 * MIB  # a repository index; the largest public one is about 30 MiB
MAX_KEYRING_BYTES: Final = 64 * MIB  # a file of public keys; Debian's whole keyring is about 30 MiB
MAX_PROVENANCE_BYTES: Final = 1 * MIB  # a provenance file: one Chart.yaml and one signature
MAX_GIT_TREE_BYTES: Final = 256 * MIB  # the files of one commit that holds charts or values
MAX_GIT_TREE_FILES: Final = 100_000  # and how many; the largest public chart monorepos have about 30,000
MAX_MANIFEST_BYTES: Final = 4 * MIB  # a manifest of a registry: what registries themselves accept
MAX_SIGNATURES: Final = 64  # signatures of one chart in a registry that are looked at
MAX_RESPONSE_BYTES: Final = 512 * MIB  # one answer of a cluster
MAX_CONSTRAINT_BYTES: Final = 4 * KIB  # a range of versions; charts write some dozens
MAX_SQL_RECORD_BYTES: Final = 64 * MIB  # a stored release in PostgreSQL, where Helm has no bound
MAX_SQL_ROWS: Final = 100_000  # stored revisions of one question; a thousand releases have about 10,000
MAX_SQL_SECONDS: Final = 30.0  # one statement on the database of release records
