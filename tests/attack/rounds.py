"""Every kind of attack, and one round of it with a folder of its own."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.attack.kills import kills
from tests.attack.links import links
from tests.attack.names import names
from tests.attack.streams import streams
from tests.attack.worlds import lines, worlds
from tests.soak.compare import Difference

Attack = Callable[[random.Random, int, Path], None]


ATTACKS: dict[str, Attack] = {
    "worlds": worlds, "lines": lines, "streams": streams, "names": names, "kills": kills, "links": links,
}  # fmt: skip


def one_round(name: str, seed: int) -> bool:
    """Run one attack with its seed; returns true if lurge stood it."""
    folder = Path(tempfile.mkdtemp(prefix=f"lurge-attack-{name}-", suffix=f"-{seed}"))
    try:
        ATTACKS[name](random.Random(f"{name} {seed}"), seed, folder)
    except (Exception, subprocess.TimeoutExpired) as error:
        print(error if isinstance(error, Difference) else traceback.format_exc())
        print(f"kept: {folder}\nagain: python -m tests.attack --seed {seed} --only {name}")
        return False
    shutil.rmtree(folder)
    return True
