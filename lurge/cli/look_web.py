"""`lurge look --web`: the pages of one index, until they are interrupted."""

from __future__ import annotations

import json
import secrets
import socket
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lurge.cli.options import say
from lurge.errors import UsageError


@contextmanager
def folder_of_indexes(save: Path | None) -> Iterator[Path]:
    """The directory for the index: the one that is given, else a temporary one."""
    if save:
        yield save
        return
    with TemporaryDirectory(prefix="lurge-look-") as folder:
        yield Path(folder)


def show_pages(directory: Path, volume: str) -> None:
    """Serve the tree of a volume on a free port of this machine, open it in a browser, and wait for an interrupt.

    Every user of this machine can see it meanwhile. Raises UsageError if lurge[serve] is missing.
    """
    try:
        import uvicorn

        from lurge.view.app import make_app
        from lurge.view.view import address
    except ImportError as error:
        raise UsageError(f"lurge look --web: {error}", "Install lurge[serve].") from error
    from lurge.config import load_config
    from lurge.store.database import Database
    from lurge.store.database.upgrade import upgrade
    from lurge.store.usage.area import USAGE

    with TemporaryDirectory(prefix="lurge-pages-") as folder, socket.socket() as listening:
        file = Path(folder) / "lurge.toml"
        file.write_text(f"[tree]\ndirectory = {json.dumps(str(directory.absolute()))}\n", encoding="utf-8")
        config = load_config(file)
        database = Database(config.database)
        upgrade(database, USAGE)
        database.close()
        listening.bind(("127.0.0.1", 0))
        # From now on requests wait until the server is ready.
        listening.listen()
        port = listening.getsockname()[1]
        app = make_app(config, secrets.token_urlsafe(32), "127.0.0.1", port)
        target = f"http://127.0.0.1:{port}{address('/tree', volume=volume)}"
        say(f"{target}  (Ctrl-C ends it; every user of this machine can see it)")
        sys.stdout.flush()
        webbrowser.open(target)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False))
        server.run(sockets=[listening])
