"""Links and files that somebody planted in output directories: what they lead to stays as it is."""

from __future__ import annotations

import random
from pathlib import Path

from tests.site import Entry, Site
from tests.soak.compare import Difference


def links(rng: random.Random, seed: int, folder: Path) -> None:
    """Links at every place that can be guessed, to a file and a folder that must stay as they are."""
    site = Site(folder / "site")
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x.bam", 5))
    precious, place = folder / "precious", folder / "place"
    precious.write_text("precious")
    place.mkdir()
    (place / "kept").write_text("kept")
    out = site.folder / "out"
    guessable = [
        "groups/.lock", "groups/.parts.unfinished", "groups/20240131", "groups/.20240131.unfinished",
        "groups/.20240131.replaced", "lurge.db.lock", "last-names.json", "user-reports/2024-01-31.tsv",
        "report-output-files/report-20240131.tsv", *(f"user-reports/.2024-01-31.tsv.{n}.unfinished" for n in range(9)),
    ]  # fmt: skip
    for name in rng.sample(guessable, rng.randint(1, len(guessable))):
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(rng.choice([precious, place, folder / "nowhere"]))
    cache_place = folder / "cache"
    cache_place.mkdir()
    cache_place.chmod(0o777)
    environment = {"NUMBA_CACHE_DIR": str(cache_place)} if rng.random() < 0.2 else {}
    done = site.run("--split", status=None, env=environment)
    if done.returncode not in (0, 1, 3) or "Traceback" in done.stderr:
        raise Difference(f"exit status {done.returncode}: {done.stderr[-2000:]}")
    if done.returncode in (0, 3) and site.rows("select used from lustre_usage") != [(5,)]:
        raise Difference("what is stored is wrong")
    kept = precious.read_text() == "precious" and [path.name for path in place.iterdir()] == ["kept"]
    if not kept or (folder / "nowhere").exists() or list(cache_place.rglob("*.nb*")):
        raise Difference("a link was followed, or code was kept where others may write")
