"""Missing interfaces of libraries: undocumented ones that lurge can work without."""

from __future__ import annotations

import logging

MISSING: dict[str, str] = {}
"""The missing interfaces that this process has noticed, and the consequence of each."""

log = logging.getLogger(__name__)


def fall_back(interface: str, consequence: str) -> None:
    """Record that an interface is missing, and warn about it once."""
    if interface not in MISSING:
        MISSING[interface] = consequence
        log.warning("%s is missing: %s", interface, consequence)
