"""[serve]: the pages, and who may see them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lurge.config.elsewhere import PasswordVariable
from lurge.config.fields import Positive, RelativePath, Strings, Text
from lurge.config.secret import Password
from lurge.config.section import Section, problem
from lurge.config.url import web_address


def web_root(url: str) -> str:
    """`url` without a slash at its end, after a check that it is one of the web."""
    return web_address(url).rstrip("/")


class OidcConfig(Section):
    """An OpenID Connect provider, for `access = "oidc"`."""

    issuer: Annotated[Text, AfterValidator(web_root)] = Field(
        description="Address of the provider, below which `/.well-known/openid-configuration` is.",
        examples=["https://login.example.org"],
    )
    client_id: Text = Field(description="The name under which lurge is known to the provider.", examples=["lurge"])
    client_secret: Annotated[Password, PasswordVariable("LURGE_OIDC_SECRET", "client_secret_file")] = None
    client_secret_file: RelativePath | None = Field(
        None,
        description="A file that holds the client's secret, used if `$LURGE_OIDC_SECRET` is not set.",
        examples=["oidc.txt"],
    )
    user_claim: Text = Field("preferred_username", description="The claim that holds the name of the user.")
    groups_claim: str = Field(
        "", description="The claim that lists the names of a person's groups. Empty: those of [identity]."
    )
    scopes: Strings = Field(("openid", "profile"), description="The scopes to ask for.")


class ServeConfig(Section):
    """The pages, which `lurge serve` shows."""

    access: Literal["open", "header", "ldap", "oidc"] = Field(
        "open",
        description="`open`: everybody sees everything. `header`: a trusted proxy names the person. `ldap`: people sign"
        " in with their password. `oidc`: people sign in at a provider. Under all but `open`, people see their groups.",
    )
    admins: Strings = Field((), description="Names of people who see all groups.", examples=[["alice"]])
    title: Text = Field("lurge", description="The name at the head of every page.")
    address: Annotated[str, AfterValidator(lambda url: url and web_root(url))] = Field(
        "",
        description="The address under which people reach the pages through a proxy. Its path is that of every page.",
        examples=["https://storage.example.org/lurge"],
    )
    user_header: Text = Field("X-Remote-User", description="The header that names the person, for `header`.")
    trusted: Strings = Field(
        ("127.0.0.1", "::1"), description="Addresses of proxies whose header is believed, for `header`."
    )
    user_dn: Text = Field(
        "uid={user},{people_base}",
        description="The DN with which a person signs in, for `ldap`. The server is that of [identity.ldap].",
    )
    session_minutes: Positive = Field(
        480, description="Minutes after which people must sign in again. A restart ends all sessions."
    )
    expected_days: Positive = Field(2, description="Days after which the newest report of a volume is shown as old.")
    oidc: OidcConfig | None = None

    @model_validator(mode="after")
    def _need_oidc(self) -> ServeConfig:
        if self.access == "oidc" and self.oidc is None:
            raise problem('is missing, but serve.access is "oidc"', "oidc")
        return self
