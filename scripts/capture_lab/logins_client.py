"""requests-ntlm and pypsrp on a good day, both with channel bindings. Usage: logins_client.py CA WHAT..."""

from __future__ import annotations

import sys
from pathlib import Path

import requests
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan
from requests_ntlm import HttpNtlmAuth

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from capture_lab.exchangelib_client import RsaOnly

HOST, USER, PASSWORD = "mail.contoso.com", "CONTOSO\\avery", "not-a-real-password"


def ews(ca: str) -> None:
    """A question for a folder, by NTLM."""
    body = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
        ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body><m:GetFolder><m:FolderShape>'
        '<t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="inbox"/>'
        "</m:FolderIds></m:GetFolder></s:Body></s:Envelope>"
    )
    with requests.Session() as session:
        session.mount("https://", RsaOnly())
        session.auth = HttpNtlmAuth(USER, PASSWORD)
        fields = {"Content-Type": "text/xml; charset=utf-8"}
        answer = session.post(f"https://{HOST}/EWS/Exchange.asmx", body, headers=fields, verify=ca, timeout=10)
        answer.raise_for_status()


def powershell(ca: str) -> None:
    """One command in a remote runspace."""
    wsman = WSMan(
        HOST, port=443, username=USER, password=PASSWORD, ssl=True, path="powershell", auth="ntlm", cert_validation=ca
    )
    wsman.transport.session = wsman.transport._build_session()  # noqa: SLF001 - it takes no adapter otherwise
    wsman.transport.session.mount("https://", RsaOnly())
    with wsman, RunspacePool(wsman, configuration_name="Microsoft.Exchange") as pool:
        shell = PowerShell(pool)
        shell.add_cmdlet("Get-Mailbox").add_parameter("Identity", "avery")
        shell.invoke()


PIECES = {"ews": ews, "powershell": powershell}


def main() -> None:
    """Tell the pieces that were asked for, in that order."""
    RsaOnly.ca = sys.argv[1]
    for piece in sys.argv[2:]:
        PIECES[piece](sys.argv[1])


if __name__ == "__main__":
    main()
