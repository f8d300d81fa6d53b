"""[split]: the lines of each group, for TreeServe."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from lurge.config.fields import RelativePath, Text, in_reports
from lurge.config.section import Section
from lurge.config.url import without_password


class S3Config(Section):
    """The bucket to which the lines are copied (needs `lurge[s3]`). Credentials are boto3's own."""

    bucket: Text = Field(description="Name of the bucket.", examples=["treeserve"])
    prefix: Annotated[str, AfterValidator(lambda prefix: prefix.strip("/"))] = Field(
        "", description="Prefix of every object's key, without a trailing slash.", examples=["groups"]
    )
    endpoint_url: Annotated[Text, AfterValidator(without_password)] | None = Field(
        None, description="Address of the S3 server.", examples=["https://s3.example.org"]
    )
    dated: bool = Field(True, description="Put objects below `prefix/YYYYMMDD/`. `false`: directly below `prefix/`.")


def unless_empty(value: Any) -> Any:
    """None for a table without keys."""
    return None if value == {} else value


class SplitConfig(Section):
    """The lines of each group, which `lurge split` writes."""

    directory: RelativePath = in_reports("groups", "Directory of the lines of each group.")
    s3: Annotated[S3Config | None, BeforeValidator(unless_empty)] = None
