"""A stub Exchange front end that looks at logins: NTLM and Negotiate by pyspnego, with channel bindings; Basic; Bearer.

Usage: logins_server.py CERTIFICATES PRIVATE_KEY. TLS 1.2 with RSA key exchange, on 443.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import ssl
import sys
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Any

import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from capture_lab import exchange_answers, logins_answers
from capture_lab.exchange_server import HTTPS_PORT, FrontEnd, Listener, server_context

USER, DOMAIN, PASSWORD = "avery", "CONTOSO", "not-a-real-password"
END_OF_PEM = "-----END CERTIFICATE-----\n"
XML = ("Content-Type", "text/xml; charset=utf-8")
SOAP_1_2 = ("Content-Type", "application/soap+xml; charset=utf-8")
JSON = ("Content-Type", "application/json; charset=utf-8")
HTML = ("Content-Type", "text/html; charset=utf-8")
SIGN_IN = '<form method="post"><input name="UserName"><input name="Password" type="password"></form>'
BEARER = (
    f'Bearer client_id="{logins_answers.APPLICATION}", trusted_issuers="{logins_answers.APPLICATION}@contoso.com",'
    ' token_types="app_asserted_user_v1 service_asserted_app_v1", authorization_uri="https://sts.example/authorize"'
)
_BASIC = base64.b64encode(f"{DOMAIN}\\{USER}:{PASSWORD}".encode()).decode()


class LoginFrontEnd(FrontEnd):
    """Lets in who proves who he is."""

    bindings: GssChannelBindings | None = None
    context: Any = None  # of the login of this connection
    is_known = False  # NTLM logs a connection in

    def _dispatch(self) -> None:
        self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        path = self.path.lower().partition("?")[0]
        routes = {
            "/ews/exchange.asmx": self._ews,
            "/powershell": self._powershell,
            "/adfs/services/trust/mex": lambda: self._send(HTTPStatus.OK, logins_answers.metadata_exchange(), SOAP_1_2),
            "/adfs/services/trust/2005/usernamemixed": self._trust,
            "/federationmetadata/2007-06/federationmetadata.xml": self._federation,
            "/adfs/ls/": lambda: self._send(HTTPStatus.OK, SIGN_IN, HTML),
            "/contoso.com/oauth2/token": self._token,
        }
        routes.get(path, self._not_found)()

    def _trust(self) -> None:
        self._send(HTTPStatus.OK, logins_answers.token_response(), SOAP_1_2)

    def _federation(self) -> None:
        self._send(
            HTTPStatus.OK, logins_answers.federation_metadata(), ("Content-Type", "application/samlmetadata+xml")
        )

    def _token(self) -> None:
        answer = {"token_type": "Bearer", "expires_in": "3599", "access_token": logins_answers.jwt()}
        self._send(HTTPStatus.OK, json.dumps(answer), JSON)

    def _may_enter(self, *schemes: str) -> bool:
        """A complete and right login; else the next leg, or what is offered."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        lowered = scheme.lower()
        if self.is_known and not scheme:
            return True
        if (lowered == "basic" and token == _BASIC) or (lowered == "bearer" and token.startswith("eyJ")):
            return True
        if lowered in ("ntlm", "negotiate") and token:
            return self._step(scheme, base64.b64decode(token))
        challenges = [("WWW-Authenticate", each) for each in (*schemes, BEARER, 'Basic realm="mail.contoso.com"')]
        self._send(HTTPStatus.UNAUTHORIZED, "", *challenges)
        return False

    def _step(self, scheme: str, token: bytes) -> bool:
        """One leg of NTLM, bare or inside of SPNEGO."""
        is_bare = scheme.lower() == "ntlm"
        if self.context is None:
            options = spnego.NegotiateOptions.use_ntlm if is_bare else spnego.NegotiateOptions.use_negotiate
            self.context = spnego.server(
                "mail.contoso.com",
                "HTTP",
                self._bindings(),
                protocol="ntlm" if is_bare else "negotiate",
                options=options,
            )
        try:
            answer = self.context.step(token)
        except SpnegoError:
            self._send(HTTPStatus.UNAUTHORIZED, "", ("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", "NTLM"))
            return False
        if self.context.complete:
            self.is_known = True
            return True
        self._send(HTTPStatus.UNAUTHORIZED, "", ("WWW-Authenticate", f"{scheme} {base64.b64encode(answer).decode()}"))
        return False

    def _bindings(self) -> GssChannelBindings | None:
        """As Extended Protection does where it is set to Allow: curl sends no bindings, so none are wanted of it."""
        return self.bindings if "python" in self.headers.get("User-Agent", "").lower() else None

    def _ews(self) -> None:
        if self._may_enter("Negotiate", "NTLM"):
            self._send(HTTPStatus.OK, exchange_answers.get_folder("inbox"), XML)

    def _powershell(self) -> None:
        if not self._may_enter("Negotiate", "NTLM"):
            return
        asked = re.search(r"Action[^>]*>[^<]*/(\w+)<", self.content)
        message = re.search(r"MessageID[^>]*>([^<]*)<", self.content)
        command = re.search(r'CommandId="([0-9A-Fa-f-]{36})"', self.content)
        self._send(
            HTTPStatus.OK, self._shell(asked[1] if asked else "", message[1] if message else "", command), SOAP_1_2
        )

    def _shell(self, action: str, relates_to: str, command: re.Match[str] | None) -> str:
        if action == "Create":
            return logins_answers.shell_created(relates_to)
        if action == "Command":
            return logins_answers.command_begun(command[1] if command else "", relates_to)
        if action != "Receive":
            return logins_answers.plain_answer(action, relates_to)
        if command is None:
            return logins_answers.received(logins_answers.pool_opened(), relates_to)
        return logins_answers.received(logins_answers.pipeline_completed(command[1]), relates_to, command[1])


def main() -> None:
    """Serve until the process is ended."""
    certificates, private_key = sys.argv[1:3]
    own = Path(certificates).read_text().partition(END_OF_PEM)[0] + END_OF_PEM  # the chain follows
    der = ssl.PEM_cert_to_DER_cert(own)
    LoginFrontEnd.bindings = GssChannelBindings(
        application_data=b"tls-server-end-point:" + hashlib.sha256(der).digest()
    )
    with tempfile.NamedTemporaryFile("w", suffix=".accounts") as accounts:
        accounts.write(f"{DOMAIN}:{USER}:{PASSWORD}\n")
        accounts.flush()
        os.environ["NTLM_USER_FILE"] = accounts.name
        Listener.daemon_threads = True
        listener = Listener(("::", HTTPS_PORT), LoginFrontEnd)
        listener.context = server_context(certificates, private_key)
        listener.context.maximum_version = ssl.TLSVersion.TLSv1_2
        listener.serve_forever()


if __name__ == "__main__":
    main()
