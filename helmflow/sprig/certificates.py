"""Private keys and certificates: genPrivateKey, genCA, genSignedCert, genSelfSignedCert, buildCustomCert."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import dropwhile
from typing import TYPE_CHECKING, Any, ClassVar

from helmflow.core.records import dataclass
from helmflow.gotemplate.functions import FunctionError, function, table
from helmflow.gotemplate.gotypes import GoObject
from helmflow.gotemplate.printf import format_value
from helmflow.sprig.addresses import check_address
from helmflow.sprig.conversion import to_text
from helmflow.sprig.encoding import CorruptInput, decode_base64
from helmflow.sprig.numbers import wrapped

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.x509.general_name import GeneralName

_DAY = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Certificate(GoObject):
    """A certificate and its key, both PEM."""

    go_type: ClassVar[str] = "sprig.certificate"
    go_fields: ClassVar[dict[str, str]] = {"Cert": "cert", "Key": "key"}
    cert: str
    key: str

    def go_json(self) -> dict[str, str]:
        """The fields under their Go names."""
        return {"Cert": self.cert, "Key": self.key}


@function("genPrivateKey", "string", returns="string", random=True)
def gen_private_key(kind: str) -> str:
    if kind in ("", "rsa"):
        return _key_text(_new_rsa(4096))
    if kind == "dsa":
        from cryptography.hazmat.primitives.asymmetric import dsa

        return _key_text(dsa.generate_private_key(2048))
    if kind == "ecdsa":
        from cryptography.hazmat.primitives.asymmetric import ec

        return _key_text(ec.generate_private_key(ec.SECP256R1()))
    if kind == "ed25519":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return _key_text(Ed25519PrivateKey.generate())
    return "Unknown type " + kind


@function("buildCustomCert", "string", "string", returns="sprig.certificate")
def build_custom_cert(certificate: str, key: str) -> Certificate:
    certificate_pem = _decoded(certificate, "unable to decode base64 certificate")
    key_pem = _decoded(key, "unable to decode base64 private key")
    _certificate(certificate_pem, "decodedCert")
    _private_key(key_pem, "error parsing private key")
    return Certificate(certificate_pem, key_pem)


@function("genCA", "string", "int", returns="sprig.certificate", random=True)
def gen_ca(name: str, days: int) -> Certificate:
    return _authority(name, days, _new_rsa(2048))


@function("genCAWithKey", "string", "int", "string", returns="sprig.certificate", random=True)
def gen_ca_with_key(name: str, days: int, key: str) -> Certificate:
    return _authority(name, days, _private_key(key, "parsing private key"))


@function("genSelfSignedCert", "string", "[]any", "[]any", "int", returns="sprig.certificate", random=True)
def gen_self_signed_cert(
    name: str, ips: Sequence[Any] | None, names: Sequence[Any] | None, days: int
) -> Certificate:
    alternatives = _alternatives(ips, names)
    return _self_signed(name, alternatives, days, _new_rsa(2048))


@function(
    "genSelfSignedCertWithKey",
    "string",
    "[]any",
    "[]any",
    "int",
    "string",
    returns="sprig.certificate",
    random=True,
)
def gen_self_signed_cert_with_key(
    name: str, ips: Sequence[Any] | None, names: Sequence[Any] | None, days: int, key: str
) -> Certificate:
    signer = _private_key(key, "parsing private key")
    return _self_signed(name, _alternatives(ips, names), days, signer)


@function(
    "genSignedCert",
    "string",
    "[]any",
    "[]any",
    "int",
    "sprig.certificate",
    returns="sprig.certificate",
    random=True,
)
def gen_signed_cert(
    name: str, ips: Sequence[Any] | None, names: Sequence[Any] | None, days: int, authority: Certificate
) -> Certificate:
    return _signed(name, ips, names, days, authority, None)


@function(
    "genSignedCertWithKey",
    "string",
    "[]any",
    "[]any",
    "int",
    "sprig.certificate",
    "string",
    returns="sprig.certificate",
    random=True,
)
def gen_signed_cert_with_key(
    name: str,
    ips: Sequence[Any] | None,
    names: Sequence[Any] | None,
    days: int,
    authority: Certificate,
    key: str,
) -> Certificate:
    return _signed(name, ips, names, days, authority, _private_key(key, "parsing private key"))


def _authority(name: str, days: int, key: Any) -> Certificate:
    return _issue(_Request(name, days, (), key, is_authority=True), None, key)


def _self_signed(name: str, alternatives: tuple[GeneralName, ...], days: int, key: Any) -> Certificate:
    return _issue(_Request(name, days, alternatives, key), None, key)


def _signed(
    name: str,
    ips: Sequence[Any] | None,
    names: Sequence[Any] | None,
    days: int,
    authority: Certificate,
    key: Any,
) -> Certificate:
    issuer = _certificate(authority.cert, "decodedSignerCert")
    signer = _private_key(authority.key, "error parsing private key")
    alternatives = _alternatives(ips, names)
    return _issue(_Request(name, days, alternatives, key or _new_rsa(2048)), issuer, signer)


@dataclass(frozen=True, slots=True)
class _Request:
    """What a certificate shall say."""

    name: str
    days: int
    alternatives: tuple[GeneralName, ...]
    key: Any
    is_authority: bool = False


def _issue(request: _Request, issuer: x509.Certificate | None, signer: Any) -> Certificate:
    """The certificate, issued without a word about names that are longer than the standard allows: Go allows them."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return _issued(request, issuer, signer)


def _issued(request: _Request, issuer: x509.Certificate | None, signer: Any) -> Certificate:
    """The certificate with the extensions that Go writes; self-signed without an issuer."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID

    digest = _signature_digest(signer)
    subject = _subject(request.name)
    if issuer is not None:
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if issuer.public_key().public_bytes(*form) != signer.public_key().public_bytes(*form):
            raise FunctionError(
                "error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey"
            )
    start, end = _validity(request.days)
    builder = (
        x509.CertificateBuilder(
            issuer_name=issuer.subject if issuer else subject,
            subject_name=subject,
            public_key=request.key.public_key(),
            serial_number=_serial_number(),
        )
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(_key_usage(signs=request.is_authority), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=request.is_authority, path_length=None), critical=True)
    )
    if request.is_authority:
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier(_key_identifier(request.key)), critical=False
        )
    identifier = _issuer_identifier(issuer) if issuer is not None and issuer.subject != subject else None
    if identifier:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier(identifier, None, None), critical=False)
    if request.alternatives:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(request.alternatives), critical=not request.name
        )
    made = builder.sign(signer, digest)
    return Certificate(made.public_bytes(Encoding.PEM).decode("ascii"), _key_text(request.key))


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _serial_number() -> int:
    from secrets import randbits

    return randbits(128) or 1


def _subject(name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False)] if name else [])


def _validity(days: int) -> tuple[Any, Any]:
    from datetime import timedelta

    from helmflow.core.clock import SystemClock

    start = SystemClock().now()
    try:
        end = start + timedelta(microseconds=wrapped(days * _DAY) // 1000)
        if end < start:
            raise OverflowError
    except OverflowError:
        raise FunctionError(f"a certificate cannot be valid for {days} days") from None
    return start, end


def _key_identifier(key: Any) -> bytes:
    """The first 20 bytes of the SHA-256 of the public key, as Go has it since 1.25."""
    import hashlib

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = key.public_key()
    if hasattr(public, "public_numbers"):
        numbers = public.public_numbers()
        if hasattr(numbers, "n"):
            data = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        else:
            data = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        data = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(data).digest()[:20]


def _issuer_identifier(issuer: x509.Certificate) -> bytes | None:
    from cryptography import x509

    try:
        return issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _signature_digest(signer: Any) -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import dsa, ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if isinstance(signer, dsa.DSAPrivateKey):
        raise FunctionError(
            "error creating certificate: x509: certificate private key does not implement crypto.Signer"
        )
    if isinstance(signer, Ed25519PrivateKey):
        return None
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        return {384: hashes.SHA384(), 521: hashes.SHA512()}.get(signer.curve.key_size, hashes.SHA256())
    return hashes.SHA256()


def _new_rsa(bits: int) -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, bits)


def _key_text(key: Any) -> str:
    """The key as PEM, in the format of its own kind where there is one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    form = PrivateFormat.PKCS8 if isinstance(key, Ed25519PrivateKey) else PrivateFormat.TraditionalOpenSSL
    return str(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode("ascii"))


def _decoded(text: str, complaint: str) -> str:
    try:
        return to_text(decode_base64(text))
    except CorruptInput:
        raise FunctionError(complaint) from None


def _pem_block(text: str) -> tuple[str, bytes] | None:
    """The first PEM block's type and content, found in one pass."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        opening = lines[at].rstrip()
        at += 1
        if not (opening.startswith("-----BEGIN ") and opening.endswith("-----")):
            continue
        kind = opening[11:-5]
        start = at
        while at < len(lines) and not lines[at].startswith("-----"):
            at += 1
        if at == len(lines):
            return None
        if lines[at].rstrip() != f"-----END {kind}-----":
            continue
        body = dropwhile(lambda line: ":" in line, lines[start:at])
        try:
            return kind, decode_base64("".join("".join(body).split()))
        except CorruptInput:
            continue
    return None


def _certificate(pem: str, what: str) -> x509.Certificate:
    block = _pem_block(pem)
    if block is None:
        raise FunctionError("unable to decode certificate")
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(block[1])
    except ValueError:
        raise FunctionError(f"error parsing certificate: {what}.Bytes: x509: malformed certificate") from None


def _private_key(pem: str, complaint: str) -> Any:
    block = _pem_block(pem)
    if block is None:
        raise FunctionError(f"{complaint}: no PEM data in input")
    kind, content = block
    if kind != "PRIVATE KEY" and not kind.endswith(" PRIVATE KEY"):
        raise FunctionError(f"{complaint}: no private key data in PEM block of type {kind}")
    label = "decoding PEM as PKCS#8" if kind == "PRIVATE KEY" else kind.removesuffix(" PRIVATE KEY")
    if label in ("RSA", "EC", "DSA"):
        label = f"parsing {label} private key from PEM"
    elif kind != "PRIVATE KEY":
        raise FunctionError(f"{complaint}: invalid private key type {kind}")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        return load_der_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise FunctionError(f"{complaint}: {label}: x509: failed to parse private key") from None


def _alternatives(ips: Sequence[Any] | None, names: Sequence[Any] | None) -> tuple[GeneralName, ...]:
    """Names first, then addresses, as Go writes them."""
    addresses = [_address(ip) for ip in ips or ()]
    return (*(_dns_name(name) for name in names or ()), *addresses)


def _address(ip: Any) -> GeneralName:
    if not isinstance(ip, str):
        raise FunctionError(f"error parsing ip: {format_value(ip)} is not a string")
    import ipaddress

    from cryptography import x509

    try:
        check_address(ip)
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise FunctionError(f"error parsing ip: {ip}") from None
    if "%" in ip:
        raise FunctionError(f"error parsing ip: {ip}")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return x509.IPAddress(mapped or address)


def _dns_name(name: Any) -> GeneralName:
    if not isinstance(name, str):
        raise FunctionError(f"error processing alternate dns name: {format_value(name)} is not a string")
    from cryptography import x509

    if not name.isascii():
        from helmflow.gotemplate.printf import quote

        raise FunctionError(
            f"error creating certificate: x509: {quote(name)} cannot be encoded as an IA5String"
        )
    return x509.DNSName(name)


FUNCTIONS = table(
    gen_private_key,
    build_custom_cert,
    gen_ca,
    gen_ca_with_key,
    gen_self_signed_cert,
    gen_self_signed_cert_with_key,
    gen_signed_cert,
    gen_signed_cert_with_key,
)
