"""The stub Exchange front end on a good day: every login is right, every question has an answer.

Usage: healthy_server.py CERTIFICATES PRIVATE_KEY.
"""

from __future__ import annotations

import json
import re
import sys
import time
from http import HTTPStatus
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from capture_lab import exchange_answers as usual
from capture_lab import healthy_answers as answers
from capture_lab.exchange_server import FrontEnd, serve

NOTIFICATION_SECONDS = 0.2  # from one to the next
JSON = ("Content-Type", "application/json; charset=utf-8")
SOAP_1_2 = ("Content-Type", "application/soap+xml; charset=utf-8")


class HealthyFrontEnd(FrontEnd):
    """Like `FrontEnd`, and nothing is refused."""

    def _dispatch(self) -> None:
        path = self.path.lower().partition("?")[0]
        if path == "/ews/mrsproxy.svc":
            self._read()
            if self._may_enter("Negotiate", "NTLM"):
                self._send(HTTPStatus.OK, answers.mrs_version(), SOAP_1_2)
        elif path.startswith("/autodiscover/autodiscover.json"):
            url = "https://mail.contoso.com/EWS/Exchange.asmx"
            self._send(HTTPStatus.OK, json.dumps({"Protocol": "EWS", "Url": url}), JSON)
        else:
            super()._dispatch()

    def _read(self) -> None:
        self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()

    def _autodiscover(self) -> None:
        if "GetFederationInformation" in self.content:
            self._send(HTTPStatus.OK, answers.federation_information())
        else:
            super()._autodiscover()

    def _ews(self) -> None:
        if "GetStreamingEvents" in self.content and "Authorization" in self.headers:
            self._stream()
        else:
            super()._ews()

    def _ews_answer(self, operation: str) -> tuple[HTTPStatus, str]:
        plain = {
            "Subscribe": answers.subscribe,
            "Unsubscribe": answers.unsubscribe,
            "GetUserOofSettingsRequest": answers.oof_settings,
            "GetServerTimeZones": usual.get_server_time_zones,
            "FindItem": lambda: usual.find_item(20),
            "GetUserAvailabilityRequest": self._availability,
        }
        return (HTTPStatus.OK, plain[operation]()) if operation in plain else super()._ews_answer(operation)

    def _availability(self) -> str:
        return answers.availability(len(re.findall(r"<(?:\w+:)?MailboxData>", self.content)))

    def _free_busy(self) -> None:
        self._send(HTTPStatus.OK, self._availability())

    def _stream(self) -> None:
        """Chunked: an envelope a chunk, as they happen."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("X-FEServer", "CAS01")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for envelope in answers.streaming_events():
            data = envelope.encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.flush()
            time.sleep(NOTIFICATION_SECONDS)
        self.wfile.write(b"0\r\n\r\n")


if __name__ == "__main__":
    serve(HealthyFrontEnd)
