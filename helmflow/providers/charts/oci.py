"""Charts in OCI registries: pull, push and tags with Helm's media types; digests are always checked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from helmflow.core import limits, semver
from helmflow.core.errors import ChartError
from helmflow.core.records import dataclass, field, replace
from helmflow.providers.charts import registry_login
from helmflow.providers.charts.cache import ChartCache
from helmflow.providers.http import NO_CREDENTIALS, Credentials
from helmflow.providers.mirrors import NO_MIRRORS, Mirrors

if TYPE_CHECKING:
    from oras.container import Container
    from oras.provider import Registry

CONFIG_TYPE: Final = "application/vnd.cncf.helm.config.v1+json"
CHART_TYPE: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
LEGACY_CHART_TYPE: Final = "application/tar+gzip"
PROVENANCE_TYPE: Final = "application/vnd.cncf.helm.chart.provenance.v1.prov"
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A chart from a registry: its archive, version, the manifest's digest, and its provenance where there is one."""

    path: Path
    version: str
    digest: str
    cached: bool
    provenance: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """oci://HOST/PATH[:TAG][@DIGEST]. `name` is the last part of the path: the chart's name."""

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Raises ChartError `oci.bad-reference`."""
        rest = text.removeprefix("oci://")
        rest, _, digest = rest.partition("@")
        host, slash, path = rest.partition("/")
        tag = ""
        if ":" in path.rpartition("/")[2]:
            path, _, tag = path.rpartition(":")
        wrong = not host or not slash or not path.strip("/") or re.search(r"[\s\\]|\.\.", rest)
        if wrong or (digest and not _DIGEST.fullmatch(digest)):
            raise ChartError(
                f"{text!r} is no reference to a chart in a registry",
                error_id="oci.bad-reference",
                hint="oci://HOST/PATH/CHART, with :VERSION or @sha256:DIGEST",
            )
        return cls(host=host, path=path.strip("/"), tag=tag, digest=digest)

    def with_tag(self, tag: str) -> str:
        """What the registry is asked for."""
        return f"{self.host}/{self.path}" + (f"@{self.digest}" if self.digest else f":{tag}")

    @property
    def name(self) -> str:
        """The chart's name."""
        return self.path.rpartition("/")[2]


@dataclass
class RegistryClient:
    """Reads and writes registries. Credentials: the given ones, else Helm's registry config, else Docker's."""

    cache: ChartCache
    offline: bool = False
    registry_config: str = ""
    mirrors: Mirrors = NO_MIRRORS
    _open: dict[tuple[str, bool, str], Registry] = field(default_factory=dict)

    def pull(self, reference: str, version: str, credentials: Credentials, *, plain_http: bool) -> Pulled:
        """The chart in a version: a tag, a range over the tags ("" is any release), or the digest in `reference`."""
        where = Reference.parse(self.mirrors.of(reference))
        if version.startswith("sha256:"):
            where = Reference.parse(f"oci://{where.host}/{where.path}@{version}")
        if where.host != Reference.parse(reference).host:
            credentials = NO_CREDENTIALS  # those of the registry are not for its mirror
        key = f"oci {reference} {version}"
        note = self.cache.note(key)
        pinned = where.digest or self.offline
        if note is not None and pinned and (known := self.cache.blob(note["chart"])) is not None:
            provenance = self.cache.blob(note["provenance"]) if note.get("provenance") else None
            return Pulled(
                path=known,
                version=note["version"],
                digest=note["manifest"],
                cached=True,
                provenance=provenance.read_bytes() if provenance else b"",
            )
        if self.offline:
            raise ChartError(
                f"{reference} is not in the cache and --offline forbids fetching it", error_id="chart.offline"
            )
        registry = self._registry(where, credentials, plain_http=plain_http)
        tag = where.tag or (self._choose(registry, where, version) if not where.digest else "")
        return self._pull(registry, where, tag, key)

    def check(self, reference: str, credentials: Credentials, *, plain_http: bool) -> None:
        """Ask the registry whether it takes the credentials. Raises ChartError `http.*`."""
        where = Reference.parse(f"{reference.rstrip('/')}/x")
        registry = self._registry(where, credentials, plain_http=plain_http)
        with _failures(where):
            answer = registry.do_request(f"{registry.prefix}://{where.host}/v2/", "GET", stream=True)
            answer.close()
            if answer.status_code in (401, 403):
                raise ValueError("Unauthorized")

    def tags(self, reference: str, credentials: Credentials, *, plain_http: bool) -> list[str]:
        """The versions that are there, newest first, as Helm reads tags: strict semver, `_` for `+`."""
        where = Reference.parse(self.mirrors.of(reference))
        return self._versions(self._registry(where, credentials, plain_http=plain_http), where)

    def push(
        self,
        archive: bytes,
        metadata: dict[str, Any],
        reference: str,
        credentials: Credentials,
        *,
        plain_http: bool,
        provenance: bytes = b"",
        created: str = "",
    ) -> str:
        """Push a packed chart below `reference`; the manifest's digest. `metadata` is Chart.yaml as data."""
        name, version = str(metadata["name"]), str(metadata["version"])
        where = Reference.parse(f"{reference.rstrip('/')}/{name}:{version.replace('+', '_')}")
        registry = self._registry(where, credentials, plain_http=plain_http)
        config = json.dumps(metadata, separators=(",", ":")).encode()
        layers = [(CHART_TYPE, archive), *([(PROVENANCE_TYPE, provenance)] if provenance else [])]
        with _failures(where):
            container = registry.get_container(where.with_tag(where.tag))
            registry.auth.load_configs(container)
            described = [
                self._upload(registry, container, *part) for part in ((CONFIG_TYPE, config), *layers)
            ]
            manifest = {
                "schemaVersion": 2,
                "config": described[0],
                "layers": sorted(described[1:], key=lambda layer: str(layer["digest"])),
                "annotations": _annotations(metadata, created),
            }
            body = json.dumps(manifest, separators=(",", ":")).encode()
            answer = registry.do_request(
                f"{registry.prefix}://{container.manifest_url()}",
                "PUT",
                headers={"Content-Type": MANIFEST_TYPE},
                data=body,
            )
            registry._check_200_response(answer)
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def signatures(
        self, reference: str, digest: str, credentials: Credentials, *, plain_http: bool
    ) -> tuple[tuple[bytes, dict[str, str]], ...]:
        """What is signed about the manifest `digest`: payload and annotations of every layer of its .sig tag.

        Nothing where the registry has no such tag.
        """
        where = Reference.parse(reference)
        key = f"signatures {where.host}/{where.path} {digest}"
        if self.offline:
            return self._kept_signatures(key)
        registry = self._registry(where, credentials, plain_http=plain_http)
        tag = f"{digest.replace(':', '-')}.sig"
        if tag not in self._tags(registry, where):
            return ()
        with _failures(where):
            container, manifest, _ = self._manifest(registry, where, replace(where, digest="").with_tag(tag))
            found = tuple(
                (self._blob(registry, container, layer), dict(layer.get("annotations") or {}))
                for layer in manifest["layers"][: limits.MAX_SIGNATURES]
            )
        kept = [[self.cache.add_blob(payload)[0], annotations] for payload, annotations in found]
        self.cache.add_note(key, {"layers": kept})
        return found

    def _kept_signatures(self, key: str) -> tuple[tuple[bytes, dict[str, str]], ...]:
        """Signatures as an earlier run read them."""
        kept = (self.cache.note(key) or {}).get("layers", ())
        paths = [(self.cache.blob(digest), annotations) for digest, annotations in kept]
        return tuple((path.read_bytes(), annotations) for path, annotations in paths if path is not None)

    def _upload(
        self, registry: Registry, container: Container, media_type: str, content: bytes
    ) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        layer = {"mediaType": media_type, "digest": digest, "size": len(content)}
        if registry.get_blob(container, digest, head=True).status_code == 200:
            return layer
        answer = registry.do_request(f"{registry.prefix}://{container.upload_blob_url()}", "POST")
        registry._check_200_response(answer)
        location = registry._get_location(answer, container)
        separator = "&" if "?" in location else "?"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
        done = registry.do_request(
            f"{location}{separator}digest={digest}", "PUT", data=content, headers=headers
        )
        registry._check_200_response(done)
        return layer

    def _pull(self, registry: Registry, where: Reference, tag: str, key: str) -> Pulled:
        with _failures(where):
            container, manifest, digest = self._manifest(registry, where, where.with_tag(tag))
            if where.digest and digest != where.digest:
                raise ChartError(
                    f"{where.host} answers for {where.digest} with a manifest of digest {digest}",
                    error_id="oci.digest-mismatch",
                )
            config = json.loads(self._blob(registry, container, manifest["config"]))
            layers = {layer["mediaType"]: layer for layer in manifest["layers"]}
            layer = layers.get(CHART_TYPE) or layers.get(LEGACY_CHART_TYPE)
            if layer is None:
                raise ChartError(
                    f"{where.host}/{where.path} holds no Helm chart",
                    error_id="oci.no-chart",
                    hint="is it a container image?",
                )
            cached = self.cache.blob(layer["digest"].removeprefix("sha256:")) is not None
            chart = self._blob(registry, container, layer)
            provenance = b""
            if PROVENANCE_TYPE in layers:
                provenance = self._blob(registry, container, layers[PROVENANCE_TYPE])
        got, path = self.cache.add_blob(chart)
        note = {"chart": got, "version": config["version"], "manifest": digest}
        if provenance:
            note["provenance"] = self.cache.add_blob(provenance)[0]
        self.cache.add_note(key, note)
        return Pulled(
            path=path, version=config["version"], digest=digest, cached=cached, provenance=provenance
        )

    def _manifest(self, registry: Registry, where: Reference, name: str) -> tuple[Container, Any, str]:
        """The manifest of HOST/PATH:TAG or @DIGEST, where its blobs are, and its digest."""
        container = registry.get_container(name)
        registry.auth.load_configs(container)
        answer = registry.do_request(
            f"{registry.prefix}://{container.manifest_url()}",
            "GET",
            headers={"Accept": MANIFEST_TYPE},
            stream=True,
        )
        registry._check_200_response(answer)
        body = _bounded(answer, limits.MAX_MANIFEST_BYTES, f"the manifest of {where.host}/{where.path}")
        return container, json.loads(body), f"sha256:{hashlib.sha256(body).hexdigest()}"

    def _blob(self, registry: Registry, container: Container, layer: dict[str, Any]) -> bytes:
        """A blob whose content is what its digest promises, from the cache where it is there."""
        digest = str(layer["digest"])
        if not _DIGEST.fullmatch(digest):
            raise ChartError(f"the manifest names the digest {digest!r}", error_id="oci.digest-mismatch")
        known = self.cache.blob(digest.removeprefix("sha256:"))
        if known is not None:
            return known.read_bytes()
        answer = registry.get_blob(container, digest, stream=True)
        registry._check_200_response(answer)
        content = _bounded(answer, limits.MAX_CHART_BYTES, f"blob {digest}")
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise ChartError(f"blob {digest} is not what its digest says", error_id="oci.digest-mismatch")
        return content

    def _choose(self, registry: Registry, where: Reference, version: str) -> str:
        """The tag of the newest version that satisfies `version`; an exact version is its own tag."""
        try:
            semver.Version.parse_strict(version)
        except ValueError:
            pass
        else:
            return version.replace("+", "_")
        try:
            constraint = semver.Constraint.parse(version or "*")
        except ValueError as cause:
            raise ChartError(
                f"{version!r} is not a version or a range: {cause}", error_id="chart.bad-version-range"
            ) from cause
        offered = self._versions(registry, where)
        for candidate in offered:
            if constraint.check(semver.Version.parse(candidate)):
                return candidate.replace("+", "_")
        raise ChartError(
            f"no version of oci://{where.host}/{where.path} satisfies {version or '*'!r}",
            error_id="chart.no-such-version",
            hint=f"the newest are {', '.join(offered[:5])}"
            if offered
            else "the registry has no versions of it",
        )

    def _versions(self, registry: Registry, where: Reference) -> list[str]:
        found = []
        for tag in self._tags(registry, where):
            with contextlib.suppress(ValueError):
                found.append(semver.Version.parse_strict(tag.replace("_", "+")))
        return [str(version) for version in sorted(found, reverse=True)]

    def _tags(self, registry: Registry, where: Reference) -> list[str]:
        with _failures(where):
            container = registry.get_container(where.with_tag("x"))
            registry.auth.load_configs(container)
            return [str(tag) for tag in registry.get_tags(container)]

    def _registry(self, where: Reference, credentials: Credentials, *, plain_http: bool) -> Registry:
        key = (where.host, plain_http, credentials.username)
        if key not in self._open:
            self._open[key] = _connect(where.host, credentials, self.registry_config, plain_http=plain_http)
        return self._open[key]


def _connect(host: str, credentials: Credentials, registry_config: str, *, plain_http: bool) -> Registry:
    import logging

    from oras.logger import setup_logger

    from helmflow.providers.charts.oci_session import PatientRegistry

    setup_logger(quiet=True)
    logging.getLogger("oras").setLevel(logging.CRITICAL)
    verify: bool | str = credentials.ca_file or not credentials.insecure_skip_tls_verify
    registry = PatientRegistry(host, plain_http=plain_http, tls_verify=verify)
    if credentials.cert_file:
        registry.session.cert = (credentials.cert_file, credentials.key_file or credentials.cert_file)
    if credentials.username:
        registry.auth.set_basic_auth(credentials.username, credentials.password.reveal())
    elif found := registry_login.stored(host, registry_config):
        if found.username:
            registry.auth.set_basic_auth(found.username, found.password.reveal())
        else:
            registry.auth.set_token_auth(found.token.reveal())
    registry.auth._auth_config = {"auths": {}}  # looked up already: the library would read Docker's file only
    return registry


def _bounded(answer: Any, most: int, what: str) -> bytes:
    """The body of a streamed answer, never more than `most` of it."""
    content = bytearray()
    for chunk in answer.iter_content(256 * limits.KIB):
        content += chunk
        if len(content) > most:
            answer.close()
            raise ChartError(f"{what} is larger than {most:,} bytes", error_id="http.too-large")
    return bytes(content)


@contextlib.contextmanager
def _failures(where: Reference) -> Iterator[None]:
    """What the library raises, as one error that names the registry."""
    import requests

    try:
        yield
    except ChartError:
        raise
    except requests.RequestException as cause:
        reason = type(cause).__name__
        raise ChartError(
            f"cannot reach the registry {where.host}: {reason}",
            error_id="http.unreachable",
            hint="a registry without TLS needs plainHttp: true",
        ) from cause
    except (ValueError, KeyError, TypeError) as cause:
        unauthorized = "authentication" in str(cause) or "Unauthorized" in str(cause)
        raise ChartError(
            f"the registry {where.host} refuses {where.path}: {str(cause).splitlines()[0] if str(cause) else cause!r}",
            error_id="http.unauthorized" if unauthorized else "oci.refused",
            hint="log in, or set username and password"
            if unauthorized
            else "check the chart's path and version",
        ) from cause


def _annotations(metadata: dict[str, Any], created: str) -> dict[str, str]:
    """Helm's annotations: the chart's own, title and version last so that nothing overrides them."""
    prefix = "org.opencontainers.image."
    given: dict[str, str] = {}
    for key, name in (("description", "description"), ("home", "url")):
        if metadata.get(key):
            given[prefix + name] = str(metadata[key])
    if metadata.get("sources"):
        given[prefix + "source"] = str(metadata["sources"][0])
    authors = [
        f"{one.get('name', '')} ({one['email']})" if one.get("email") else str(one.get("name", ""))
        for one in metadata.get("maintainers") or []
    ]
    if authors:
        given[prefix + "authors"] = ", ".join(authors)
    if created:
        given[prefix + "created"] = created
    given.update({str(key): str(value) for key, value in (metadata.get("annotations") or {}).items()})
    return {**given, prefix + "title": str(metadata["name"]), prefix + "version": str(metadata["version"])}
