"""References to cloud secret stores, through each cloud's own command and its login."""

from __future__ import annotations

from typing import Any

from helmflow.core.errors import ConfigError
from helmflow.providers.values.local import output_of
from helmflow.state.ports import Reference


def _aws(reference: Reference, *arguments: str) -> str:
    command = ["aws", *arguments, "--output", "text"]
    for parameter, flag in (("region", "--region"), ("profile", "--profile")):
        if reference.parameters.get(parameter):
            command += [f"{flag}={reference.parameters[parameter]}"]
    return output_of(command, reference, "refs.aws")


class AwsParameter:
    """`ref+awsssm://path/of/parameter?region=...`: AWS SSM Parameter Store."""

    def fetch(self, reference: Reference) -> Any:
        """The parameter, decrypted."""
        name = (
            reference.path
            if reference.path.startswith("/") or "/" not in reference.path
            else f"/{reference.path}"
        )
        version = reference.parameters.get("version", "")
        named = f"{name}:{version}" if version else name
        return _aws(
            reference,
            "ssm",
            "get-parameter",
            f"--name={named}",
            "--with-decryption",
            "--query=Parameter.Value",
        )


class AwsSecret:
    """`ref+awssecrets://name?region=...&version_id=...`: AWS Secrets Manager."""

    def fetch(self, reference: Reference) -> Any:
        """The secret's text."""
        arguments = [
            "secretsmanager",
            "get-secret-value",
            f"--secret-id={reference.path}",
            "--query=SecretString",
        ]
        for parameter, flag in (("version_id", "--version-id"), ("version_stage", "--version-stage")):
            if reference.parameters.get(parameter):
                arguments.append(f"{flag}={reference.parameters[parameter]}")
        return _aws(reference, *arguments)


class GcpSecret:
    """`ref+gcpsecrets://PROJECT/SECRET?version=...`: Google Secret Manager."""

    def fetch(self, reference: Reference) -> Any:
        """The secret's text; `fallback_value` where it cannot be had, `optional=true` gives an empty text."""
        project, slash, name = reference.path.partition("/")
        if not slash or not name:
            raise ConfigError("write ref+gcpsecrets://PROJECT/SECRET", error_id="refs.malformed")
        version = reference.parameters.get("version", "latest")
        command = [
            "gcloud",
            "secrets",
            "versions",
            "access",
            version,
            f"--secret={name}",
            f"--project={project}",
        ]
        try:
            return output_of(command, reference, "refs.gcp")
        except ConfigError:
            if "fallback_value" in reference.parameters:
                return reference.parameters["fallback_value"]
            if reference.parameters.get("optional") == "true":
                return ""
            raise


class AzureSecret:
    """`ref+azurekeyvault://VAULT/SECRET[/VERSION]`: Azure Key Vault."""

    def fetch(self, reference: Reference) -> Any:
        """The secret's text."""
        vault, _, rest = reference.path.partition("/")
        name, _, version = rest.partition("/")
        if not vault or not name:
            raise ConfigError("write ref+azurekeyvault://VAULT/SECRET", error_id="refs.malformed")
        command = ["az", "keyvault", "secret", "show", f"--vault-name={vault}", f"--name={name}"]
        if version:
            command.append(f"--version={version}")
        return output_of([*command, "--query=value", "--output=tsv"], reference, "refs.azure")
