"""What a user of a MySQL server lacks, by the server's own words."""

from __future__ import annotations

import pytest

from lurge.store.database.mysql import not_granted

ALL_BUT_DROP = "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, REFERENCES, INDEX, ALTER ON `lurge`.* TO `lurge`@`%`"


@pytest.mark.parametrize(
    ("grants", "missing"),
    [
        (["GRANT USAGE ON *.* TO `lurge`@`%`", "GRANT ALL PRIVILEGES ON `lurge`.* TO `lurge`@`%`"], []),
        (["GRANT USAGE ON *.* TO `lurge`@`%`", ALL_BUT_DROP], ["DROP"]),
        (["GRANT `role` FOR lurge"], []),
    ],
)
def test_privileges_that_are_not_granted(grants: list[str], missing: list[str]) -> None:
    assert not_granted(grants) == missing
