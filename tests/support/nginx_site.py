"""The site of the nginx tests: its locations, its files, and what its log must become."""

import hmac
from pathlib import Path
from typing import Any, Final

from support.nginx import htpasswd
from support.raw_client import basic
from support.whole_event import BIG

MARK: Final = "MARKED-SECRET"
USER: Final = "bob@dosya.dev"
PASSWORD: Final = "geheim"
OBSCURED: Final = "TFXDQXHcpt6W-QOv7UKkqB6x935YrQ"  # the password as rclone stores it
AUTH: Final = basic(USER, PASSWORD)
KEY: Final = b"k" * 32
LINK: Final = "h_" + hmac.digest(KEY, MARK.encode(), "sha256").hex()[:32]
GONE: Final = "h_" + hmac.digest(KEY, b"gone", "sha256").hex()[:32]
TEMPLATES: Final = ("/ws/{workspace}/{path*}", "/s/{share_token}", "/s/{share_token}/{path*}")
TRUSTED: Final = "127.0.0.2"
PARTIAL: Final[dict[str, Any]] = {"audit__flags": ["partial"]}
CLAIM_LIMIT: Final = 512
_DAV: Final = """
dav_methods PUT DELETE MKCOL COPY MOVE;
dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;
create_full_put_path on;
client_max_body_size 8m;
"""
LOCATIONS: Final = f"""
location / {{ autoindex on; }}
location /ws/ {{ auth_basic files; auth_basic_user_file passwords; autoindex on; {_DAV} }}
location /unchecked/ {{ {_DAV} }}
location /closed/ {{ deny all; }}
location /page/ {{ deny all; error_page 403 /docs/a.txt; }}
location /ws/page/ {{ deny all; error_page 403 /docs/a.txt; }}
location /busy/ {{ return 429; }}
location /s/gone {{ return 410; }}
location /gz/ {{ gzip on; gzip_types *; gzip_min_length 1; }}
location /down/ {{ proxy_pass http://127.0.0.1:%(down)d; }}
location /behind/ {{ proxy_pass http://127.0.0.1:%(behind)d; }}
"""


def make_site(folder: Path) -> None:
    """Files to serve, in a folder with a blank in its name."""
    for name in ("docs/a.txt", "docs/x/y.txt", "gz/a.txt", f"s/{MARK}/a.txt"):
        path = folder / "www" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("hello world")
    (folder / "www" / "s" / MARK / "index.html").write_text("a shared folder")
    with (folder / "www" / "docs" / "big.bin").open("wb") as big:
        big.truncate(BIG)
    for name in ("ws/brand", "ws/acme", "unchecked"):
        (folder / "www" / name).mkdir(parents=True)
    (folder / "passwords").write_text(htpasswd({USER: PASSWORD}))
