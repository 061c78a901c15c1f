"""pyactivesync as a phone, against the stub front end. Usage: mobile_client.py CA."""

from __future__ import annotations

import sys
from email.message import EmailMessage
from pathlib import Path

from pyactivesync import Client

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from capture_lab.exchangelib_client import RsaOnly

ADDRESS = "avery@contoso.com"
DEVICE = "4F4E455048303132333435363738394142"


def main() -> None:
    """Set up the account, look, write, wait, look again."""
    RsaOnly.ca = sys.argv[1]
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = ADDRESS, "casey@contoso.com", "Lunch on Friday"
    mail.set_content("At twelve?\n")
    with Client("mail.contoso.com", ADDRESS, "not-a-real-password", device_id=DEVICE, device_type="Phone") as phone:
        phone._transport.session.mount("https://", RsaOnly())  # noqa: SLF001 - there is no other way to set ciphers
        phone._transport.session.verify = RsaOnly.ca  # noqa: SLF001 - the same
        phone.list_folders()
        key = phone.sync_folder("5", "0").sync_key
        phone.sync_folder("5", key)
        phone.send_mail(mail)
        phone.ping(["5"], heartbeat=60)
        phone.sync_folder("5", "2")
        phone.get_oof()


if __name__ == "__main__":
    main()
