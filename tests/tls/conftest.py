"""Key files as real tools write them, made once a run by OpenSSL."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD = "pässword-marker"
NAMES = "subjectAltName=DNS:owa.example.com,IP:192.0.2.7"
COMMANDS = """
genrsa -traditional -out rsa.pem 1024
genrsa -traditional -out other.pem 1024
req -x509 -new -key rsa.pem -subj /O=Example/CN=mail.example.com -addext SAN -set_serial 0x2a -days 3650 -out rsa.crt
req -x509 -new -key other.pem -subj /CN=other.example.com -days 3650 -out other.crt
rsa -in rsa.pem -outform DER -traditional -out rsa-pkcs1.der
rsa -in rsa.pem -aes128 -traditional -passout pass:PASSWORD -out rsa-dek.pem
rsa -in rsa.pem -pubout -out public.pem
pkcs8 -topk8 -in rsa.pem -nocrypt -out rsa-pkcs8.pem
pkcs8 -topk8 -in rsa.pem -nocrypt -outform DER -out rsa-pkcs8.der
pkcs8 -topk8 -in rsa.pem -passout pass:PASSWORD -out rsa-encrypted.pem
pkcs8 -topk8 -in rsa.pem -passout pass:PASSWORD -outform DER -out rsa-encrypted.der
pkcs8 -topk8 -in rsa.pem -v1 PBE-SHA1-3DES -passout pass:PASSWORD -out rsa-encrypted-v1.pem
x509 -in rsa.crt -outform DER -out rsa-certificate.der
crl2pkcs7 -nocrl -certfile rsa.crt -outform DER -out certificates.p7b
ecparam -genkey -name prime256v1 -out ec.pem
genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -outform DER -out ec384.der
genpkey -algorithm x25519 -out x25519.pem
genpkey -algorithm x448 -out x448.pem
genpkey -algorithm ed25519 -out ed25519.pem
genpkey -algorithm DH -pkeyopt group:ffdhe2048 -out dh.pem
pkcs12 -export -in rsa.crt -inkey rsa.pem -certfile other.crt -passout pass:PASSWORD -out modern.pfx
pkcs12 -export -legacy -in rsa.crt -inkey rsa.pem -passout pass:PASSWORD -out legacy.pfx
pkcs12 -export -nomac -in rsa.crt -inkey rsa.pem -passout pass:PASSWORD -out nomac.pfx
pkcs12 -export -in rsa.crt -inkey rsa.pem -passout pass: -out empty.pfx
pkcs12 -export -legacy -in rsa.crt -inkey rsa.pem -passout pass: -out empty-legacy.pfx
pkcs12 -export -in other.crt -inkey other.pem -passout pass: -out other-empty.pfx
pkcs12 -export -keypbe NONE -certpbe NONE -nomac -in rsa.crt -inkey rsa.pem -passout pass: -out plain.pfx
pkcs12 -export -keypbe NONE -nomac -in rsa.crt -inkey rsa.pem -passout pass:PASSWORD -out plain-key.pfx
pkcs12 -export -nokeys -in rsa.crt -passout pass:PASSWORD -out only-certificate.pfx
pkcs12 -export -nocerts -inkey rsa.pem -passout pass:PASSWORD -out only-key.pfx
pkcs12 -export -in other.crt -inkey other.pem -passout pass:PASSWORD -out other.pfx
"""


@pytest.fixture(scope="session")
def key_files(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Path:
    """A folder of keys and certificates; what is encrypted has the password PASSWORD."""
    folder, openssl = tmp_path_factory.mktemp("keys"), program("openssl")
    for command in COMMANDS.strip().splitlines():
        arguments = [each.replace("PASSWORD", PASSWORD).replace("SAN", NAMES) for each in command.split()]
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def password() -> str:
    """The password of the encrypted files."""
    return PASSWORD
