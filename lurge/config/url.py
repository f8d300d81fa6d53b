"""URLs in the configuration, in which no password may stand."""

from __future__ import annotations

import re
from urllib.parse import unquote


def without_password(url: str) -> str:
    """`url`, if it holds no password, whatever signs are in it. Raises ValueError, which does not show it."""
    rest = unquote(url).partition("://")[2] or unquote(url)
    in_options = any(re.match(r"(?i)(ssl)?(passwd|password|pwd)\s*=", word) for word in re.split(r"[?&;#]", rest)[1:])
    # A user's name may hold an @, a password anything: what stands before the last @ is both, unless the URL is plain.
    user, at, _ = rest.rpartition("@")
    plain = re.search(r"://([^:@/?#]*)@[^:@/?#]*(:[0-9]+)?(/[^:@/?#]*)?(\?|\Z)", url)
    suspect = ":" in unquote(plain[1]) if plain else bool(at and ":" in user)
    if in_options or suspect or "#" in url:
        raise ValueError("must hold no password: it comes from the environment or a file")
    if re.match(r"[^/]*//[^/]*@[^/]*@", url):
        raise ValueError("must have %40 for an @ in the user's name")
    return url
