"""[lake]: inventories of S3 buckets in Iceberg tables."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from lurge.config.fields import InReports, RelativePath, Share, Text, Whole, in_reports, resolve
from lurge.config.section import Section

S3 = "s3://"


def address(value: object, info: ValidationInfo) -> str:
    """An s3:// URL as it is; any other place as an absolute path, relative to the configuration file."""
    if isinstance(value, str) and value.startswith(S3):
        return value.rstrip("/")
    return str(resolve(value, info).absolute())


def bucket_prefix(prefix: str) -> str:
    """A bucket and a prefix in it, without `s3://`."""
    return prefix.removeprefix(S3).lstrip("/")


Address = Annotated[str, BeforeValidator(address)]


class LakeSource(Section):
    """A place of inventories."""

    prefix: Address = Field(
        description="A directory, or an `s3://` URL.", examples=["s3://inventory-destination/reports"]
    )
    endpoint_url: Text | None = Field(
        None, description="Server of S3 (default: AWS).", examples=["http://127.0.0.1:9000"]
    )


class LakeOwner(Section):
    """The group, and the user, of objects below a prefix."""

    prefix: Annotated[Text, AfterValidator(bucket_prefix)] = Field(
        description="Bucket and prefix. The longest one, by component, counts.", examples=["archive-bucket/team1/"]
    )
    gid: Whole = Field(description="Numeric group.", examples=[15001])
    uid: Whole | None = Field(None, description="Numeric user.", examples=[20001])


class LakeConfig(Section):
    """Inventories of S3 buckets, for `lurge lake`."""

    warehouse: Address = Field(
        default_factory=lambda: InReports("lake"),
        validate_default=True,
        description="Directory or `s3://` URL of the tables.",
        examples=["out/lake"],
        json_schema_extra={"x-default": "`lake` in `reports.directory`"},
    )
    endpoint_url: Text | None = Field(
        None,
        description="Server of S3 of the warehouse, and of inventories that no source has (default: AWS).",
        examples=["http://127.0.0.1:9000"],
    )
    catalog: dict[str, Any] = Field(
        default_factory=dict,
        description="Properties of pyiceberg's catalog (default: SQLite in the warehouse).",
        examples=[{"type": "rest", "uri": "http://127.0.0.1:8181"}],
    )
    catalog_file: RelativePath = in_reports(
        "lake/catalog.db", "SQLite file of the catalog, if the warehouse is in S3 and `catalog` names no other."
    )
    max_rejected_fraction: Share = Field(
        0.01, description="A load fails if its rejected rows exceed this share of all."
    )
    sources: Annotated[tuple[LakeSource, ...], BeforeValidator(tuple)] = Field(
        (), strict=False, description="The places that `lurge lake load` searches for inventories."
    )
    owners: Annotated[tuple[LakeOwner, ...], BeforeValidator(tuple)] = Field(
        (), strict=False, description="Groups of objects, for buckets in the nightly report."
    )

    def endpoint_of(self, place: str) -> str | None:
        """The server of S3 for an address: that of the longest source which begins it."""
        fitting = [source for source in self.sources if f"{place}/".startswith(f"{source.prefix}/")]
        longest = max(fitting, key=lambda source: len(source.prefix), default=None)
        return longest.endpoint_url if longest and longest.endpoint_url else self.endpoint_url
