"""Undocumented interfaces of libraries that are missing, and what happens without them."""

from __future__ import annotations

import logging

MISSING: dict[str, str] = {}
"""The interfaces that this process missed, and the consequence of each."""

log = logging.getLogger(__name__)


def fall_back(interface: str, consequence: str) -> None:
    """Note that an interface is missing, and warn of it once."""
    if interface not in MISSING:
        MISSING[interface] = consequence
        log.warning("%s is missing: %s", interface, consequence)
