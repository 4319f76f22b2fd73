"""Ed25519 signatures of manifests: a manifest names and hashes everything else of its version."""

import base64
import binascii
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import ArtifactRefused, StartupRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SIGNATURE = "manifest.sig"
NOT_INSTALLED = "signatures need the extra `signing`: pip install 'ctr-serve[signing]'"


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """Whose signatures count."""

    keys: "Sequence[Ed25519PublicKey]"

    @classmethod
    def of(cls, text: str) -> "TrustedKeys":
        """Public keys in base64, separated by commas or spaces. Raises StartupRefused."""
        written = text.replace(",", " ").split()
        if not written:
            raise StartupRefused(
                "CTR_TRUSTED_KEYS has no key in it: write public keys in base64 with commas "
                "between them, or unset it"
            )
        return cls([_public_key(one) for one in written])

    def check(self, reference: str, manifest: bytes, signature: bytes | None) -> None:
        """Raises ArtifactRefused unless one of the keys has signed exactly these bytes."""
        from cryptography.exceptions import InvalidSignature

        if signature is None:
            raise ArtifactRefused(
                f"{reference} is not signed, and CTR_TRUSTED_KEYS wants it to be: "
                f"ctr-serve models sign {reference} --key FILE"
            )
        signed = _decoded(signature)
        for key in self.keys:
            try:
                key.verify(signed, manifest)
            except InvalidSignature:
                continue
            return
        raise ArtifactRefused(
            f"{reference}: {SIGNATURE} is no trusted signature of this manifest; if the version "
            "was changed since, as `ctr-serve export` does, it must be signed again: "
            f"ctr-serve models sign {reference} --key FILE"
        )


def signature_of(manifest: bytes, key_file: Path) -> bytes:
    """The content of `manifest.sig`. Raises StartupRefused for what is no private key."""
    signature = _private_key(key_file).sign(manifest)
    return base64.b64encode(signature) + b"\n"


def generate_key(key_file: Path) -> str:
    """Writes a private key that only its owner can read; the public key, in base64."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise StartupRefused(NOT_INSTALLED) from None
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StartupRefused(f"{key_file} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return public_text(key.public_key())


def public_text(key: "Ed25519PublicKey") -> str:
    """As `CTR_TRUSTED_KEYS` takes it."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def _private_key(file: Path) -> "Ed25519PrivateKey":
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise StartupRefused(NOT_INSTALLED) from None
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise StartupRefused(f"{file}: {error.strerror}") from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise StartupRefused(f"{file} is no private key: make one with ctr-serve models keygen")
    return key


def _public_key(text: str) -> "Ed25519PublicKey":
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise StartupRefused(f"CTR_TRUSTED_KEYS: {NOT_INSTALLED}") from None
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise StartupRefused(
            f"CTR_TRUSTED_KEYS: {text[:60]!r} is no Ed25519 public key in base64, as "
            "`ctr-serve models keygen` prints it"
        ) from None


def _decoded(signature: bytes) -> bytes:
    try:
        return base64.b64decode(signature.strip(), validate=True)
    except binascii.Error:
        return b""
