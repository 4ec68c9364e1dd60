"""A release's `transformers`: kustomize's own kinds in this process, plugins through the kustomize command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helmflow.core import process, yaml_dialect
from helmflow.core.errors import ConfigError, HelmflowError
from helmflow.core.records import dataclass
from helmflow.core.sensitive import SecretTexts
from helmflow.core.source import Span
from helmflow.plan import transformers


@dataclass(frozen=True, slots=True, kw_only=True)
class Transforming:
    """The transformers of one release, and what running plugins takes. `command` "": plugins are not run."""

    transformers: Sequence[Mapping[str, Any]]
    command: str
    secrets: SecretTexts
    span: Span | None = None

    def apply(self, documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The transformed documents. Raises ConfigError `patch.transformers` or `patch.failed`."""
        try:
            plugins = [one for one in self.transformers if not transformers.known(one)]
            if not plugins or not self.command:
                return transformers.apply(documents, self.transformers)
            return self._through_kustomize(documents, str(plugins[0].get("kind")))
        except ConfigError as error:
            error.span = error.span or self.span
            raise

    def _through_kustomize(self, documents: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
        resources = "---\n".join(yaml_dialect.dump(body) for body in documents)
        if self.secrets.mask(resources) != resources:
            raise ConfigError(
                f"the transformer {kind} runs in kustomize, which reads files, and this release has secrets: "
                "they are never written to the disk",
                error_id="patch.secrets",
                hint="use built-in transformers, jsonPatches or strategicMergePatches for this release",
            )
        with TemporaryDirectory(prefix="helmflow-") as folder:
            names = [f"transformer-{number}.yaml" for number in range(len(self.transformers))]
            for name, one in zip(names, self.transformers, strict=True):
                Path(folder, name).write_text(yaml_dialect.dump(one), encoding="utf-8")
            Path(folder, "resources.yaml").write_text(resources, encoding="utf-8")
            kustomization = {"resources": ["resources.yaml"], "transformers": names}
            Path(folder, "kustomization.yaml").write_text(yaml_dialect.dump(kustomization), encoding="utf-8")
            try:
                built = process.run((self.command, "build", "--enable-alpha-plugins", folder))
            except HelmflowError as cause:
                raise ConfigError(
                    f"the transformer {kind} is a plugin of kustomize: {cause.message}",
                    error_id="patch.transformers",
                    hint="install kustomize, or use a built-in transformer",
                ) from cause
        if built.status:
            raise ConfigError(f"kustomize: {built.stderr.strip()}", error_id="patch.failed")
        return [body for body in yaml_dialect.load_all(built.stdout) if isinstance(body, dict)]
