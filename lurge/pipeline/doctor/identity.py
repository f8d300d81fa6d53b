"""Checks of the source of names."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lurge.config import Config
from lurge.enrich.identity import ldap_reader, make_identity
from lurge.pipeline.doctor.finding import Finding, Verdict


def check_identity(config: Config) -> Iterator[Finding]:
    """Check that names of groups and users can be read."""
    if config.identity.ldap and config.identity.provider == "ldap":
        groups, users = ldap_reader()(config.identity.ldap)
        said = f"ldap: {len(groups)} groups, {sum(group.pi is not None for group in groups.values())} of them with a PI"
        yield Finding("identity", Verdict.OK, f"{said}, {len(users)} users")
        return
    identity = make_identity(config.identity)
    own = identity.user(os.getuid())
    if config.identity.provider == "nss" and own is None:
        advice = "Set identity.provider to files or ldap."
        yield Finding("identity", Verdict.WARNING, f"uid {os.getuid()} has no name on this machine", advice)
    yield Finding("identity", Verdict.OK, f"{config.identity.provider}: names can be read")
