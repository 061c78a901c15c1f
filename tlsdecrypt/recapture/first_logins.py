"""Logins that a client of a binary protocol begins with: MySQL, PostgreSQL, SQL Server, AMQP, MQTT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tlsdecrypt.recapture import amqp_logins, mysql_logins, postgres_logins
from tlsdecrypt.recapture.mqtt_logins import without_mqtt_password
from tlsdecrypt.recapture.tds_logins import without_tds_passwords

if TYPE_CHECKING:
    from tlsdecrypt.recapture.stream_bytes import StreamBytes

MAX_LOGIN: Final = 256 << 10  # bytes of a client in which its login stands

_PROOFS: Final = (postgres_logins.proofs, mysql_logins.proofs, amqp_logins.proofs)
_WITHOUT: Final = (without_mqtt_password, without_tds_passwords)


def mask_first_logins(client: StreamBytes) -> None:
    """Overwrite what a client proves itself with; each protocol tells its own logins by their first bytes."""
    data = client.beginning(MAX_LOGIN)
    for proofs in _PROOFS:
        for begin, end in proofs(data):
            client.overwrite(begin, b"*" * (end - begin))
    for without in _WITHOUT:
        masked = without(data)
        if masked != data:
            client.overwrite(0, masked)
