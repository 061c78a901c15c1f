"""One private key in DER or PEM becomes an object that can be used. Every fault is a ValueError with a reason."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls import der as asn1
from tlsdecrypt.tls.private_key import DhPrivateKey

if TYPE_CHECKING:
    from collections.abc import Callable


def load_der_key(der: bytes, password: bytes | None = None) -> Any:
    """A key in PKCS #1, PKCS #8 (plain or encrypted) or SEC 1. Raises ValueError: damaged, unknown, wrong password."""
    return _dh_key(der) or _load(load_der_private_key, der, password)


def load_pem_key(pem: bytes, password: bytes | None = None) -> Any:
    """A key in one PEM block, old OpenSSL encryption (`DEK-Info`) included. Raises ValueError as `load_der_key`."""
    return _load(load_pem_private_key, pem, password)


def _load(load: Callable[..., Any], data: bytes, password: bytes | None) -> Any:
    with warnings.catch_warnings():
        # Small keys and finite-field Diffie-Hellman are deprecated for endpoints; an observer takes what was used.
        warnings.simplefilter("ignore")
        try:
            # The library's validation costs 28 ms a key (primality); `_check_rsa` finds a damaged file in microseconds.
            key: Any = load(data, password, unsafe_skip_rsa_key_validation=True)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(str(error)) from error
        if isinstance(key, rsa.RSAPrivateKey):
            _check_rsa(key.private_numbers())
        # By name: to import the class is deprecated, and one day it will be gone.
        return _dh_from_library(key) if type(key).__name__ == "DHPrivateKey" else key


def _check_rsa(numbers: rsa.RSAPrivateNumbers) -> None:
    p, q, public = numbers.p, numbers.q, numbers.public_numbers
    product = public.e * numbers.d - 1
    if p * q != public.n or p < 2 or q < 2 or product % (p - 1) or product % (q - 1):  # noqa: PLR2004 - 1 is no prime
        raise ValueError("the numbers of the RSA key do not fit together")


def _dh_from_library(key: Any) -> DhPrivateKey:
    numbers = key.private_numbers()
    parameters = numbers.public_numbers.parameter_numbers
    return DhPrivateKey(parameters.p, parameters.g, numbers.x)


def _dh_key(der: bytes) -> DhPrivateKey | None:
    """A Diffie-Hellman key in plain PKCS #8 (RFC 5208), parameters of PKCS #3 or X9.42; None for any other key."""
    try:
        _, algorithm, value = asn1.children(asn1.first_element(der), at_least=3)[:3]
        oid, parameters = asn1.children(algorithm, at_least=2)[:2]
        if oid.content not in (asn1.OID_DH_KEY_AGREEMENT, asn1.OID_DH_PUBLIC_NUMBER):
            return None
        p, g = (asn1.integer(each) for each in asn1.children(parameters, at_least=2)[:2])
        x = asn1.integer(asn1.first_element(value.content))
    except ParseError:
        return None
    return DhPrivateKey(p, g, x) if min(p, g, x) > 1 else None
