"""NTLM logins of pyspnego: client and server in this process, with and without channel bindings."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from unittest import mock

import spnego
from spnego.channel_bindings import GssChannelBindings

USER, DOMAIN, PASSWORD, SERVICE = "avery", "CONTOSO", "Tr0ub4dor-marker!", "mail.contoso.com"


def bindings_of(certificate: bytes) -> GssChannelBindings:
    """`tls-server-end-point` of a certificate (DER) that is signed with SHA-256."""
    return GssChannelBindings(application_data=b"tls-server-end-point:" + hashlib.sha256(certificate).digest())


def ntlm_login(certificate: bytes | None = None, *, protocol: str = "ntlm") -> list[bytes]:
    """The tokens of a login, client first; bound to `certificate` (DER) if one is given."""
    bound = bindings_of(certificate) if certificate is not None else None
    with tempfile.TemporaryDirectory() as folder:
        accounts = Path(folder) / "accounts"
        accounts.write_text(f"{DOMAIN}:{USER}:{PASSWORD}\n")
        with mock.patch.dict(os.environ, {"NTLM_USER_FILE": str(accounts)}):
            options = spnego.NegotiateOptions.use_ntlm if protocol == "ntlm" else spnego.NegotiateOptions.use_negotiate
            client = spnego.client(
                f"{DOMAIN}\\{USER}",
                PASSWORD,
                SERVICE,
                "HTTP",
                channel_bindings=bound,
                protocol=protocol,
                options=options,
            )
            server = spnego.server(SERVICE, "HTTP", channel_bindings=bound, protocol=protocol, options=options)
            tokens: list[bytes] = []
            token: bytes | None = None
            while not (client.complete and server.complete):
                token = client.step(token)
                if token is None:
                    break
                tokens.append(token)
                token = server.step(token)
                if token is None:
                    break
                tokens.append(token)
    return tokens
