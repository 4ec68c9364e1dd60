"""OpenPGP through Sequoia: keyrings as gpg exports them, clear-signed texts and detached signatures. Its only importer."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from helmflow.core import limits
from helmflow.core.errors import ChartError
from helmflow.core.go_json import go_quote
from helmflow.core.records import dataclass
from helmflow.core.sensitive import SecretText

if TYPE_CHECKING:
    from pysequoia import Cert
    from pysequoia.packet import Packet

Passphrase = Callable[[str], SecretText]

_ARMORED: Final = re.compile(rb"-----BEGIN PGP [A-Z ]+-----.*?-----END PGP [A-Z ]+-----", re.DOTALL)
_SIGNED: Final = re.compile(
    rb"^(?P<text>-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\r?\n.*?\n)"
    rb"(?P<signature>-----BEGIN PGP SIGNATURE-----[ \t]*\r?\n.*?^-----END PGP SIGNATURE-----)",
    re.DOTALL | re.MULTILINE,
)
_KEYBOX: Final = b"KBXf"
_RSA: Final = (1, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One certificate of a keyring with what is asked of it. `ids`: key ids of the primary key and the subkeys."""

    names: tuple[str, ...]
    fingerprint: str
    ids: frozenset[str]
    is_secret: bool
    packets: tuple[Packet, ...]
    cert: Cert


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A text whose signature was checked, and whose it is."""

    text: bytes
    signed_by: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of a file: what `gpg --export` and `--export-secret-keys` write, binary or armored, or a pubring.gpg."""

    path: str
    keys: tuple[Key, ...]

    @classmethod
    def load(cls, path: Path) -> Keyring:
        """Raises ChartError `keyring.*` naming the file."""
        try:
            with path.open("rb") as file:
                content = file.read(limits.MAX_KEYRING_BYTES + 1)
        except OSError as cause:
            raise ChartError(
                f"failed to load keyring: open {path}: {(cause.strerror or 'error').lower()}",
                error_id="keyring.missing",
                hint="write one with: gpg --export > FILE (public keys) or gpg --export-secret-keys > FILE",
            ) from cause
        return cls.of_bytes(content, str(path))

    @classmethod
    def of_bytes(cls, content: bytes, path: str) -> Keyring:
        """The keys in `content`; `path` is for error texts."""
        if len(content) > limits.MAX_KEYRING_BYTES:
            raise ChartError(
                f"failed to load keyring: {path} is larger than {limits.MAX_KEYRING_BYTES:,} bytes",
                error_id="keyring.unreadable",
            )
        if content[8:12] == _KEYBOX:
            raise ChartError(
                f"failed to load keyring: {path} is a keybox, GnuPG's newer format",
                error_id="keyring.keybox",
                hint="export its keys: gpg --export > ~/.gnupg/pubring.gpg",
            )
        try:
            keys = tuple(_keys(content))
            if not keys:
                raise ValueError("it holds no key that can be used")
        except ValueError as cause:
            raise ChartError(
                f"failed to load keyring: {path}: {cause}",
                error_id="keyring.unreadable",
                hint="a keyring is what gpg --export writes",
            ) from cause
        return cls(path, keys)

    def signing_key(self, name: str) -> Key:
        """The key with this identity, else the only one whose identity contains it. Raises ChartError `keyring.*`."""
        exact = [key for key in self.keys if name in key.names]
        found = exact or [key for key in self.keys if any(name in own for own in key.names)]
        if not found:
            known = ", ".join(own for key in self.keys for own in key.names) or "none"
            raise ChartError(
                f"private key not found: no key of {self.path} is called {name!r}",
                error_id="keyring.no-such-key",
                hint=f"the keys there are: {known}",
            )
        if len(found) > 1 and not exact:
            raise ChartError(
                f"more than one key contain the id {go_quote(name)}",
                error_id="keyring.ambiguous-key",
                hint="; ".join(own for key in found for own in key.names),
            )
        if not found[0].is_secret:
            raise ChartError(
                "provided key is not a private key. Try providing a keyring with secret keys",
                error_id="keyring.no-secret",
                hint="gpg --export-secret-keys > secring.gpg, then --keyring secring.gpg",
            )
        return found[0]

    def _owner(self, key_id: str) -> Key | None:
        return next((key for key in self.keys if key_id in key.ids), None)

    def check(self, document: bytes) -> Signed:
        """The text of a clear-signed document. Raises ChartError `provenance.*` unless a key of this ring signed it,
        which is neither expired nor revoked."""
        match = _SIGNED.search(document[: limits.MAX_PROVENANCE_BYTES])
        if match is None:
            raise ChartError(
                "signature block not found",
                error_id="provenance.malformed",
                hint="a provenance file is a clear-signed text: -----BEGIN PGP SIGNED MESSAGE-----",
            )
        import pysequoia

        packets = _signatures(match["signature"])
        owner = self._owner_of(packets)
        canonical = pysequoia.armor(b"".join(map(_canonical, packets)), pysequoia.ArmorKind.Signature)
        with _refusing(owner):
            found = pysequoia.verify(match["text"] + canonical.encode(), lambda _: [owner.cert])
        assert found.bytes is not None
        return Signed(text=found.bytes, signed_by=owner.names, fingerprint=owner.fingerprint)

    def check_detached(self, text: bytes, signature: bytes) -> Signed:
        """The same for a signature that stands beside its text, as git's do. Raises ChartError `provenance.*`."""
        import pysequoia

        packets = _signatures(signature[: limits.MAX_PROVENANCE_BYTES])
        owner = self._owner_of(packets)
        with _refusing(owner):
            detached = pysequoia.Sig.from_bytes(b"".join(map(_canonical, packets)))
            pysequoia.verify(text, lambda _: [owner.cert], signature=detached)
        return Signed(text=text, signed_by=owner.names, fingerprint=owner.fingerprint)

    def _owner_of(self, packets: list[Packet]) -> Key:
        """Whose signature it is. Raises ChartError where that is nobody of this ring, or not valid any more."""
        owner = next((key for packet in packets if (key := self._owner(_issuer(packet)))), None)
        if owner is None:
            raise ChartError(
                "openpgp: signature made by unknown entity",
                error_id="provenance.unknown-key",
                hint=f"it was made with the key {_issuer(packets[0]).upper() or 'of an unnamed owner'}, "
                f"which is not in {self.path}, or cannot be used there",
            )
        _require_valid(owner, {_issuer(packet) for packet in packets})
        return owner


@contextlib.contextmanager
def _refusing(owner: Key) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, OSError) as cause:
        raise ChartError(
            "openpgp: invalid signature",
            error_id="provenance.bad-signature",
            hint=f"the text or its signature was changed after {owner.names[0]} signed it, or an algorithm is too weak",
        ) from cause


def sign(text: bytes, key: Key, passphrase: Passphrase) -> bytes:
    """`text` clear-signed with `key`. `passphrase` is asked for only where the key is locked."""
    import pysequoia

    _require_valid(key, frozenset())
    name = key.names[0] if key.names else "Unknown"
    secret = passphrase(name).reveal() if _is_locked(key) else None
    try:
        signer = pysequoia.Tsk.from_packets(list(key.packets)).signer(secret)
        signed = pysequoia.sign(signer, text, mode=pysequoia.SignatureMode.CLEAR)
    except (RuntimeError, ValueError, OSError) as cause:
        if secret is not None:
            raise ChartError(
                f"cannot unlock the key {name}: is the passphrase right?", error_id="keyring.locked"
            ) from None
        raise ChartError(
            f"cannot sign with the key {name}: {_first_line(cause)}",
            error_id="keyring.cannot-sign",
            hint="the key needs a part that may sign",
        ) from cause
    return signed.rstrip(b"\n") + b"\n"


def _keys(content: bytes) -> Iterator[Key]:
    """Certificate by certificate. Raises ValueError for what is no keyring."""
    from pysequoia.packet import PacketPile, Tag

    blocks = _ARMORED.findall(content) if content.lstrip().startswith(b"-----BEGIN") else [content]
    starts = (Tag.PublicKey, Tag.SecretKey)
    kept = (*starts, Tag.PublicSubkey, Tag.SecretSubkey, Tag.UserID, Tag.UserAttribute, Tag.Signature)
    for block in blocks:
        try:
            packets = list(PacketPile.from_bytes(block)) if block.strip() else []
        except (RuntimeError, ValueError, OSError) as cause:
            raise ValueError(_first_line(cause)) from cause
        group: list[Packet] = []
        for packet in packets:
            # gpg keeps its own notes (trust) between the packets; they are no part of a certificate
            if packet.tag not in kept:
                continue
            if packet.tag in starts:
                yield from _key(group)
                group = []
            group.append(packet)
        yield from _key(group)


def _key(packets: list[Packet]) -> Iterator[Key]:
    """The key in these packets; one that the library cannot use is left out, so that it can neither sign nor verify."""
    from pysequoia import Cert, Tsk
    from pysequoia.packet import Tag

    if not packets or packets[0].tag not in (Tag.PublicKey, Tag.SecretKey):
        return
    is_secret = packets[0].tag == Tag.SecretKey
    try:
        cert = Tsk.from_packets(packets).extract_certificate() if is_secret else Cert.from_packets(packets)
        names = tuple(str(name) for name in cert.user_ids)
    except (RuntimeError, ValueError, OSError):
        return
    yield Key(
        names=names or tuple(packet.user_id or "" for packet in packets if packet.tag == Tag.UserID),
        fingerprint=cert.fingerprint.upper(),
        ids=frozenset(packet.key_id for packet in packets if packet.key_id),
        is_secret=is_secret,
        packets=tuple(packets),
        cert=cert,
    )


def _require_valid(key: Key, used: Any) -> None:
    """Helm's rule: a key that is expired now is refused, whatever the date of the signature."""
    name = key.names[0] if key.names else key.fingerprint
    if key.cert.is_revoked:
        raise ChartError(
            "openpgp: key revoked", error_id="provenance.key-revoked", hint=f"{name} revoked the key"
        )
    ends = [key.cert.expiration, *(_subkey_end(key, each) for each in used)]
    ended = min((end for end in ends if end is not None), default=None)
    if ended is not None and ended <= datetime.now(UTC):
        raise ChartError(
            "openpgp: key expired",
            error_id="provenance.key-expired",
            hint=f"the key of {name} ended on {ended:%Y-%m-%d}; extend it, or sign with a current one",
        )


def _subkey_end(key: Key, key_id: str) -> datetime | None:
    """When a subkey ends, by its newest binding; None for the primary key and for one that does not end."""
    from pysequoia.packet import Tag

    current: Packet | None = None
    newest: Packet | None = None
    made: datetime | None = None
    for packet in key.packets[1:]:
        if packet.tag in (Tag.PublicSubkey, Tag.SecretSubkey):
            current = packet if packet.key_id == key_id else None
        elif current is not None and packet.tag == Tag.Signature and packet.signature_created is not None:
            last = newest.signature_created if newest is not None else None
            newest = packet if last is None or packet.signature_created >= last else newest
            made = current.key_created
    if newest is None or newest.key_validity_period is None or made is None:
        return None
    return made + newest.key_validity_period


def _signatures(armored: bytes) -> list[Packet]:
    from pysequoia.packet import PacketPile, Tag

    try:
        packets = [packet for packet in PacketPile.from_bytes(armored) if packet.tag == Tag.Signature]
    except (RuntimeError, ValueError, OSError) as cause:
        raise ChartError(
            f"the signature cannot be read: {_first_line(cause)}",
            error_id="provenance.malformed",
        ) from cause
    if not packets:
        raise ChartError("signature block not found", error_id="provenance.malformed")
    return packets


def _canonical(packet: Packet) -> bytes:
    """A signature packet whose RSA number has the length that it says.

    Helm 3 was built with a Go library that writes the length of the whole field, whatever its leading zeros; strict
    readers refuse half of those signatures.
    """
    body = bytes(packet.body)
    try:
        if body[0] != 4 or body[2] not in _RSA:
            return bytes(packet)
        hashed = int.from_bytes(body[4:6], "big")
        unhashed = int.from_bytes(body[6 + hashed : 8 + hashed], "big")
        at = 8 + hashed + unhashed + 2
        number = body[at + 2 :].lstrip(b"\0")
        bits = int.from_bytes(number, "big").bit_length()
        fixed = body[:at] + bits.to_bytes(2, "big") + number
    except IndexError:
        return bytes(packet)
    return b"\xc2\xff" + len(fixed).to_bytes(4, "big") + fixed


def _issuer(packet: Packet) -> str:
    """The id of the key that a signature names, "" where it names none; read here because a packet that is not
    canonical is opaque to the library."""
    if packet.issuer_key_id:
        return packet.issuer_key_id
    if packet.issuer_fingerprint:
        return packet.issuer_fingerprint[-16:]
    body = bytes(packet.body)
    hashed = int.from_bytes(body[4:6], "big")
    unhashed = int.from_bytes(body[6 + hashed : 8 + hashed], "big")
    for area in (body[6 : 6 + hashed], body[8 + hashed : 8 + hashed + unhashed]):
        for kind, content in _subpackets(area):
            if kind == 16:
                return content.hex()
            if kind == 33:
                return content[-8:].hex()
    return ""


def _subpackets(area: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(area):
        first = area[at]
        if first < 192:
            length, at = first, at + 1
        elif first < 255:
            length, at = ((first - 192) << 8) + int.from_bytes(area[at + 1 : at + 2], "big") + 192, at + 2
        else:
            length, at = int.from_bytes(area[at + 1 : at + 5], "big"), at + 5
        if length and at < len(area):
            yield area[at] & 0x7F, area[at + 1 : at + length]
        at += max(length, 1)


def _is_locked(key: Key) -> bool:
    """Whether signing needs a passphrase: the library says so when it is asked without one."""
    from pysequoia import Tsk

    try:
        Tsk.from_packets(list(key.packets)).signer()
    except (RuntimeError, ValueError, OSError) as refusal:
        return "encrypted" in str(refusal)
    return False


def _first_line(cause: BaseException) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0]
