"""cosign signatures of charts in registries, checked offline with a public key: simple-signing payloads."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from helmflow.core.errors import ChartError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

SIGNATURE: Final = "dev.cosignproject.cosign/signature"
TYPE: Final = "cosign container image signature"

Layer = tuple[bytes, dict[str, str]]


def load_key(path: Path) -> PublicKeyTypes:
    """A public key in PEM, as `cosign generate-key-pair` writes it. Raises ChartError `cosign.bad-key`."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else "it is no public key in PEM"
        raise ChartError(
            f"cannot use the key {path}: {reason}",
            error_id="cosign.bad-key",
            hint="cosign.pub, as cosign generate-key-pair writes it",
        ) from cause


def verify(digest: str, layers: Sequence[Layer], key: PublicKeyTypes, name: str) -> None:
    """Accept the manifest `digest` of `name` if one of its signatures was made with the key for that digest.

    Raises ChartError `cosign.*`: nothing is signed, the key made none of the signatures, or what it signed is another
    manifest.
    """
    if not layers:
        raise ChartError(
            f"no signatures found for {name}@{digest}",
            error_id="cosign.unsigned",
            hint="sign it: cosign sign --key cosign.key HOST/PATH/CHART@DIGEST",
        )
    genuine = [payload for payload, annotations in layers if _is_signed(payload, annotations, key)]
    if not genuine:
        raise ChartError(
            f"none of the {len(layers)} signatures of {name} was made with this key",
            error_id="cosign.bad-signature",
            hint="is it the signer's public key? or was the signature changed?",
        )
    if not any(_subject(payload) == digest for payload in genuine):
        raise ChartError(
            f"the signature of {name} is for {_subject(genuine[0]) or 'nothing'}, not for {digest}",
            error_id="cosign.other-digest",
            hint="a signature was copied from another version; nothing was used",
        )


def _is_signed(payload: bytes, annotations: dict[str, str], key: PublicKeyTypes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

    try:
        signature = base64.b64decode(annotations.get(SIGNATURE, ""), validate=True)
        match key:
            case ec.EllipticCurvePublicKey():
                key.verify(signature, payload, ec.ECDSA(hashes.SHA256()))
            case rsa.RSAPublicKey():
                key.verify(signature, payload, padding.PKCS1v15(), hashes.SHA256())
            case ed25519.Ed25519PublicKey():
                key.verify(signature, payload)
            case _:
                raise ChartError(
                    "keys of this kind sign no charts",
                    error_id="cosign.bad-key",
                    hint="ECDSA, RSA or Ed25519",
                )
    except (InvalidSignature, binascii.Error):
        return False
    return True


def _subject(payload: bytes) -> str:
    """The digest that a payload speaks of, "" where it is no payload of cosign's."""
    try:
        critical: Any = json.loads(payload)["critical"]
        if critical["type"] != TYPE:
            return ""
        return str(critical["image"]["docker-manifest-digest"])
    except (ValueError, KeyError, TypeError):
        return ""
