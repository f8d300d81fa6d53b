"""[warnings]: the conditions of warnings about quotas."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator, Field, Strict

from lurge.config.fields import Share, exact, written_as
from lurge.config.section import Section


class WarningLevel(Section):
    """A condition for a level: the expected use in `days` days exceeds `fraction` of the quota."""

    level: int = Field(ge=2, le=3, description="2: kinda OK; 3: not OK.", examples=[3])
    days: int = Field(ge=0, le=3650, description="Days to look ahead.", examples=[3])
    fraction: Annotated[Fraction, written_as(Fraction, Share, exact, float)] = Field(
        description="Share of the quota that the expected use must exceed.", examples=[0.85]
    )


BUILT_IN_LEVELS = tuple(
    WarningLevel(level=level, days=days, fraction=exact(fraction))
    for level, days, fraction in ((3, 3, 0.85), (3, 7, 0.95), (2, 3, 0.80), (2, 7, 0.85))
)


class WarningsConfig(Section):
    """Warnings about quotas that are nearly used up."""

    levels: Annotated[
        tuple[WarningLevel, ...], Strict(False), AfterValidator(lambda levels: levels or BUILT_IN_LEVELS)
    ] = Field(
        BUILT_IN_LEVELS,
        description="Conditions of warnings. A group gets the highest level whose condition is met, else level 1.",
        json_schema_extra={"x-default": "3: 0.85 in 3 days or 0.95 in 7; 2: 0.80 in 3 or 0.85 in 7"},
    )
