"""nginx-http2: curl asks nginx over HTTP/2, one request after another and several at once on one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capture_lab.nginx_story import HOST, HTTPS, Nginx

if TYPE_CHECKING:
    from pathlib import Path

    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

PAGES = 8
# What is posted is read before it is passed on
DIRECTIVES = """\
gzip on; gzip_min_length 1; gzip_types text/plain;
        location /owa/ { proxy_pass https://127.0.0.1/302/; proxy_redirect off; }
        location /302/ { add_header X-FEServer MAIL01; return 302 https://mail.contoso.com/owa/auth/logon.aspx; }
        location /EWS/ { proxy_pass https://127.0.0.1/503/; }
        location /503/ { return 503; }
"""
KEEP_ALIVE = 60  # seconds
FORM = "destination=https://mail.contoso.com/owa/&username=avery@contoso.com&password=Wint3r-Sp0rt"


def record_http2(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """One capture of two connections, as a pcap in `scratch`; the key log lies beside it."""
    path = scratch / "nginx-http2.pcap"
    (scratch / "long.txt").write_text("".join(f"line {number} of a page in many frames\n" for number in range(1_500)))
    for number in range(PAGES):
        (scratch / f"page{number}.txt").write_text(f"This is page {number}.\n")
    server = Nginx(lab, key, scratch).server(DIRECTIVES, " http2", KEEP_ALIVE)
    options = ["-sS", "--http2", "--cacert", str(key.ca), "--compressed", "-b", "a=1; canary=kXb7Tq", "-o", "/dev/null"]
    site = f"https://{HOST}"
    asked = [[f"{site}/page.txt"], [f"{site}/missing.txt"], ["-d", FORM, f"{site}/owa/auth.owa"]]
    asked += [["-I", f"{site}/long.txt"], ["-H", "Content-Type: text/xml", "-d", "<a/>", f"{site}/EWS/Exchange.asmx"]]
    one_by_one = [word for each in asked for word in ("--next", *options, *each)][1:]
    at_once = [*options, "--parallel", f"{site}/page[0-{PAGES - 1}].txt", "-o", "/dev/null", f"{site}/long.txt"]
    secrets = {"SSLKEYLOGFILE": str(path.with_suffix(".keylog"))}
    with lab.serving(server, HTTPS), lab.recording(path):
        lab.client.run(["curl", *one_by_one], env=secrets)
        lab.client.run(["curl", *at_once], env=secrets)
    return [path]
