"""The schemes of ref+ references: built-in ones and those of plugins, loaded on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

from helmflow.core.errors import ConfigError
from helmflow.state.ports import ValueSource

GROUP: Final = "helmflow.value_sources"

# Scheme -> module:function that makes its source.
BUILTIN: Final[Mapping[str, str]] = {
    "echo": "helmflow.providers.values.local:Echo",
    "file": "helmflow.providers.values.local:File",
    "env": "helmflow.providers.values.local:Variable",
    "envsubst": "helmflow.providers.values.local:Substitution",
    "exec": "helmflow.providers.values.local:Command",
    "sops": "helmflow.providers.values.local:Sops",
    "k8s": "helmflow.providers.values.kubernetes:Kubernetes",
    "vault": "helmflow.providers.values.vault:Vault",
    "awsssm": "helmflow.providers.values.clouds:AwsParameter",
    "awssecrets": "helmflow.providers.values.clouds:AwsSecret",
    "gcpsecrets": "helmflow.providers.values.clouds:GcpSecret",
    "azurekeyvault": "helmflow.providers.values.clouds:AzureSecret",
}
# What helmfile/vals knows and helmflow does not, so that the error says more than "unknown".
ELSEWHERE: Final = frozenset(
    [
        "s3",
        "awskms",
        "gcs",
        "gkms",
        "gitlab",
        "googlesheets",
        "tfstate",
        "tfstategs",
        "tfstates3",
        "tfstateazurerm",
        "tfstateremote",
        "op",
        "onepasswordconnect",
        "doppler",
        "pulumistateapi",
        "conjur",
        "hcpvaultsecrets",
        "bitwarden",
        "bws",
        "httpjson",
        "keychain",
        "yclockbox",
        "scaleway",
        "infisical",
        "secretserver",
        "oci",
        "servercore",
    ]
)


class Sources:
    """The ValueSources of state.ports. `open_client` is how ref+k8s:// reaches a cluster other than over HTTP."""

    def __init__(self, open_client: Callable[[str, str], Any] | None = None) -> None:
        self._open_client = open_client
        self._known: dict[str, ValueSource] = {}

    def source(self, scheme: str) -> ValueSource:
        """The source of a scheme. Raises ConfigError `refs.unknown-scheme`."""
        if scheme not in self._known:
            self._known[scheme] = self._load(scheme)
        return self._known[scheme]

    def _load(self, scheme: str) -> ValueSource:
        from importlib.metadata import entry_points

        plugins = list(entry_points(group=GROUP, name=scheme))
        where = BUILTIN.get(scheme)
        if len(plugins) + (where is not None) > 1:
            names = ", ".join(str(one.dist.name if one.dist else one.value) for one in plugins)
            raise ConfigError(
                f"several sources answer ref+{scheme}://: {names}",
                error_id="refs.clash",
                hint="uninstall one of them",
            )
        if plugins:
            made: Any = plugins[0].load()()
        elif where is not None:
            module, _, name = where.partition(":")
            kind = getattr(import_module(module), name)
            made = kind(self._open_client) if scheme == "k8s" else kind()
        else:
            raise _unknown(scheme)
        return made  # type: ignore[no-any-return]


def _unknown(scheme: str) -> ConfigError:
    import difflib

    if scheme in ELSEWHERE:
        hint = f"a plugin may offer it through the entry point group {GROUP}; ref+exec:// can call its own command"
    else:
        close = difflib.get_close_matches(scheme, [*BUILTIN], 1)
        hint = f"did you mean ref+{close[0]}://?" if close else f"known: {', '.join(BUILTIN)}"
    return ConfigError(f"no source answers ref+{scheme}://", error_id="refs.unknown-scheme", hint=hint)
