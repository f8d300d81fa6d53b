"""[identity]: the source of names of groups and users."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from lurge.config.elsewhere import PasswordVariable
from lurge.config.fields import ExistingFile, Positive, RelativePath, Text, file_at, in_reports
from lurge.config.secret import Password
from lurge.config.section import Section, problem, table
from lurge.config.url import without_password


def ldap_url(url: str) -> str:
    if not re.match(r"ldaps?://", without_password(url)):
        raise ValueError("must begin with ldap:// or ldaps://")
    return url


class IdentityFiles(Section):
    """Files with names, for `provider = "files"`."""

    groups: RelativePath | None = Field(
        None, description="Groups: TSV of gid, name, PI (may be empty).", examples=["groups.tsv"]
    )
    users: RelativePath | None = Field(None, description="Users: TSV of uid, name.", examples=["users.tsv"])
    members: RelativePath | None = Field(
        None, description="Members, for the pages: TSV of user name, group name.", examples=["members.tsv"]
    )


class LdapConfig(Section):
    """An LDAP server, for `provider = "ldap"`."""

    url: Annotated[Text, AfterValidator(ldap_url)] = Field(
        description="`ldaps://HOST` or `ldap://HOST`.", examples=["ldaps://ldap.example.org"]
    )
    group_base: Text = Field(
        description="Base DN of the groups (`cn`, `gidNumber`).", examples=["ou=group,dc=example,dc=org"]
    )
    people_base: Text = Field(
        description="Base DN of the people (`uid`, `uidNumber`, `sn`).", examples=["ou=people,dc=example,dc=org"]
    )
    pi_attribute: str = Field(
        "sangerProjectPI", description="Attribute of a group that holds the DN of its PI, whose `sn` is the PI's name."
    )
    bind_dn: str = Field(
        "",
        description="DN to bind with. The password is `$LURGE_LDAP_PASSWORD`. Empty: anonymous.",
        examples=["cn=lurge,dc=example,dc=org"],
    )
    password: Annotated[Password, PasswordVariable("LURGE_LDAP_PASSWORD")] = None
    password_file: RelativePath | None = Field(
        None,
        description="A file that holds the password, used if `$LURGE_LDAP_PASSWORD` is not set.",
        examples=["ldap.txt"],
    )
    start_tls: bool = Field(False, description="Encrypt an `ldap://` connection with StartTLS.")
    ca_file: ExistingFile | None = Field(
        None,
        description="CA certificates that verify the server's certificate, which is always verified.",
        examples=["ca.pem"],
        json_schema_extra={"x-default": "the system's"},
    )
    timeout: Positive = Field(60, description="Maximum time to wait for an answer, in seconds.")
    page_size: Positive = Field(500, description="Number of entries in a page of an answer.")


class IdentityConfig(Section):
    """Names of groups and users, and the PIs of groups."""

    provider: Literal["nss", "files", "ldap"] = Field(
        "nss",
        description="`nss`: the machine's own users and groups. `files`: TSV files. `ldap`: an LDAP server (needs"
        " `lurge[ldap]`).",
    )
    on_failure: Literal["last_known", "fail"] = Field(
        "last_known",
        description="If the LDAP server does not answer: `last_known` continues with its last names, `fail` stops.",
    )
    cache: RelativePath = in_reports("last-names.json", "File in which the last names from the LDAP server are kept.")
    files: IdentityFiles = table()
    ldap: LdapConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _need_ldap(cls, values: Any) -> Any:
        """Require the keys of [identity.ldap] only if the provider is ldap or the table is not empty."""
        if isinstance(values, dict) and not values.get("ldap"):
            needed = values.get("provider") == "ldap"
            return {key: value for key, value in values.items() if key != "ldap"} | ({"ldap": {}} if needed else {})
        return values

    @model_validator(mode="after")
    def _need_files(self) -> IdentityConfig:
        if self.provider == "files":
            for key, path in (("groups", self.files.groups), ("users", self.files.users)):
                self._need(path, key)
        return self

    @staticmethod
    def _need(path: Path | None, key: str) -> None:
        if path is None:
            raise problem('is missing, but identity.provider is "files"', "files", key)
        try:
            file_at(path)
        except ValueError as error:
            raise problem(str(error), "files", key) from error
