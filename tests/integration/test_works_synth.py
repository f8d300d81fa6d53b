"""The made-up site of works, from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from lurge.source.synth.works import STATES
from tests.site import run_lurge

ROOT = Path(__file__).parent.parent.parent


def test_the_made_up_works_are_all_found_and_their_losses_named(tmp_path: Path) -> None:
    bin_folder = Path(sys.executable).parent
    command = ["sh", str(ROOT / "scripts" / "works.sh"), str(bin_folder), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert "lost images" in done.stdout
    config = ["--config", str(tmp_path / "site" / "lurge.toml")]
    listed = json.loads(run_lurge("works", "list", "--by", "work", "--json", *config).stdout)["rows"]
    here = {
        row["work"]: row["state"] for row in listed if row["last_obs_date"] == max(r["last_obs_date"] for r in listed)
    }
    walked = {
        work.name: state
        for state in STATES
        for work in (tmp_path / "site" / "trees" / state).glob("W*" if state == "published" else "*/W*")
    }
    assert here == walked
    assert len(walked) == 400
    assert json.loads(run_lurge("works", "lost", "--json", *config).stdout)["rows"]
