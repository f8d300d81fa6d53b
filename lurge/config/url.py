"""URLs in the configuration, which must not contain passwords."""

from __future__ import annotations

import re
from urllib.parse import unquote


def web_address(url: str) -> str:
    """`url`, after a check that it is one of the web, and cannot contain a password. Raises ValueError."""
    if not url.startswith(("https://", "http://")):
        raise ValueError("must begin with https:// or http://")
    return without_password(url)


def without_password(url: str) -> str:
    """`url`, after a check that it cannot contain a password, whichever characters it has.

    Raises ValueError, which does not show the URL.
    """
    rest = unquote(url).partition("://")[2] or unquote(url)
    in_options = any(re.match(r"(?i)(ssl)?(passwd|password|pwd)\s*=", word) for word in re.split(r"[?&;#]", rest)[1:])
    # A user name may contain an @, and a password any character. So everything before the last @ may be both of them,
    # unless the URL is plain.
    user, at, _ = rest.rpartition("@")
    plain = re.search(r"://([^:@/?#]*)@[^:@/?#]*(:[0-9]+)?(/[^:@/?#]*)?(\?|\Z)", url)
    suspect = ":" in unquote(plain[1]) if plain else bool(at and ":" in user)
    if in_options or suspect or "#" in url:
        raise ValueError("must not contain a password: it comes from the environment or a file")
    if re.match(r"[^/]*//[^/]*@[^/]*@", url):
        raise ValueError("must have %40 instead of @ in the user name")
    return url
