"""Keys and certificates: what they say, who signs them, what Helm writes and refuses."""

from __future__ import annotations

import base64
import datetime
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from helmflow.gotemplate.functions import FunctionError
from helmflow.sprig.certificates import Certificate
from helmflow.sprig.table import functions
from tests.sprig import sdk
from tests.sprig.test_oracle import run

FUNCTIONS = functions()


def call(name: str, *arguments: object) -> Certificate:
    made = FUNCTIONS[name].call(*arguments)
    assert isinstance(made, Certificate)
    return made


@pytest.fixture(scope="module")
def authority() -> Certificate:
    return call("genCA", "my-ca", 365)


def extensions(certificate: x509.Certificate) -> list[tuple[str, bool]]:
    return [(extension.oid.dotted_string, extension.critical) for extension in certificate.extensions]


def test_signed_certificates_verify(authority: Certificate) -> None:
    made = call(
        "genSignedCert", "web", ["10.0.0.1", "::1"], ["web.svc", "web.svc.cluster.local"], 30, authority
    )
    certificate = x509.load_pem_x509_certificate(made.cert.encode())
    issuer = x509.load_pem_x509_certificate(authority.cert.encode())
    certificate.verify_directly_issued_by(issuer)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["web.svc", "web.svc.cluster.local"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "::1"]
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == datetime.timedelta(days=30)
    assert load_pem_private_key(made.key.encode(), None).public_key() == certificate.public_key()
    assert made.key.startswith("-----BEGIN RSA PRIVATE KEY-----\n")


@pytest.mark.parametrize(
    "expression",
    [
        '(genCA "a" 1)',
        '(genSelfSignedCert "a" (list "1.2.3.4") (list "b" "c") 1)',
        '(genSignedCert "a" (list "1.2.3.4") (list "b") 1 (genCA "z" 1))',
        '(genSignedCert "a" nil nil 1 (genCA "a" 1))',
        '(genSelfSignedCert "" nil (list "x") 1)',
    ],
)
def test_shape_is_helms(expression: str) -> None:
    template = f"{{{{ {expression}.Cert }}}}"
    kind, text = sdk.render(template, {})
    assert kind == "out"
    expected = x509.load_pem_x509_certificate(text.encode())
    got = x509.load_pem_x509_certificate(run(template, {})[1].encode())
    assert extensions(got) == extensions(expected)
    for name in (x509.KeyUsage, x509.BasicConstraints, x509.ExtendedKeyUsage):
        mine, theirs = (one.extensions.get_extension_for_class(name).value for one in (got, expected))
        assert mine == theirs
    assert [item.value for item in got.subject] == [item.value for item in expected.subject]
    assert got.signature_algorithm_oid == expected.signature_algorithm_oid
    assert got.version == expected.version


def test_key_identifier_is_gos() -> None:
    kind, text = sdk.render('{{ $ca := genCA "a" 1 }}{{ $ca.Cert }}{{ $ca.Key }}', {})
    assert kind == "out"
    theirs = x509.load_pem_x509_certificate(text.encode())
    mine = x509.load_pem_x509_certificate(
        call("genCAWithKey", "a", 1, text[text.index("-----BEGIN RSA") :]).cert.encode()
    )
    one, other = (
        item.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        for item in (mine, theirs)
    )
    assert one == other


@pytest.mark.parametrize("kind", ["ecdsa", "ed25519"])
def test_other_keys_sign(kind: str) -> None:
    key = FUNCTIONS["genPrivateKey"].call(kind)
    made = call("genCAWithKey", "ca", 10, key)
    leaf = call("genSignedCertWithKey", "leaf", None, ["x"], 5, made, key)
    x509.load_pem_x509_certificate(leaf.cert.encode()).verify_directly_issued_by(
        x509.load_pem_x509_certificate(made.cert.encode())
    )
    assert leaf.key == key


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_long_names_pass() -> None:
    name = "a-release-name.with-a-namespace.svc.cluster.local.that-is-far-too-long-for-x509"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = call("genSignedCert", name, None, None, 1, call("genCA", name, 1))
    subject = x509.load_pem_x509_certificate(made.cert.encode()).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == name


def test_custom_certificates_come_back(authority: Certificate) -> None:
    encoded = [base64.b64encode(text.encode()).decode() for text in (authority.cert, authority.key)]
    assert call("buildCustomCert", *encoded) == authority


def test_a_foreign_key_is_refused(authority: Certificate) -> None:
    other = Certificate(authority.cert, FUNCTIONS["genPrivateKey"].call("ecdsa"))
    with pytest.raises(FunctionError, match="provided PrivateKey doesn't match parent's PublicKey"):
        call("genSignedCert", "x", None, None, 1, other)


@pytest.mark.parametrize(
    "template",
    [
        '{{ genCAWithKey "x" 1 "nope" }}',
        '{{ genSelfSignedCert "x" (list "1.2.3") nil 1 }}',
        '{{ genSelfSignedCert "x" (list 1) nil 1 }}',
        '{{ genSelfSignedCert "x" nil (list 1) 1 }}',
        '{{ genSelfSignedCert "x" (list "::1%eth0") nil 1 }}',
        '{{ genSignedCert "x" nil nil 1 "nope" }}',
        '{{ genSelfSignedCert "x" nil (list "é") 1 }}',
        '{{ buildCustomCert "x" "y" }}',
        '{{ buildCustomCert "" "x" }}',
        '{{ buildCustomCert "" "" }}',
        '{{ genPrivateKey "x" }}',
        '{{ genCAWithKey "x" 1 "-----BEGIN X-----\\nYWJj\\n-----END X-----" }}',
        '{{ genCAWithKey "x" 1 "-----BEGIN X PRIVATE KEY-----\\nYWJj\\n-----END X PRIVATE KEY-----" }}',
        '{{ (genCA "x" 1).cert }}',
        '{{ (genCA "x" 1) | kindOf }} {{ (genCA "x" 1) | typeOf }}',
    ],
)
def test_refusals_are_helms(template: str) -> None:
    assert run(template, {}) == sdk.render(template, {})
