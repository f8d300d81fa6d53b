"""`lurge serve`: the pages."""

from __future__ import annotations

import ipaddress
import logging
import secrets
from typing import Annotated

import typer

from lurge.cli.options import ConfigOption, QuietOption, VerboseOption, set_verbosity
from lurge.errors import UsageError

log = logging.getLogger(__name__)


def serve(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65535, help="Port to listen on.")] = 8080,
    open_to_all: Annotated[
        bool, typer.Option("--open-to-all", help="Let everybody who reaches the address see everything.")
    ] = False,
    config: ConfigOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the reports and the tree as pages in a browser.

    Every page is JSON, CSV and Parquet, too. Nothing is written, except that
    administrators send errors of the ledger again. [serve] says who sees what.

    Example: lurge serve --port 8080
    """
    set_verbosity(quiet, verbose)
    from lurge.config import load_config

    site = load_config(config)
    if site.serve.access == "open" and not is_loopback(host) and not open_to_all:
        raise UsageError(
            f"--host {host}: everybody who reaches this address would see everything",
            "Set serve.access, or listen on 127.0.0.1, or say --open-to-all.",
        )
    try:
        import uvicorn

        from lurge.view.app import make_app
    except ImportError as error:
        raise UsageError(f"lurge serve: {error}", "Install lurge[serve].") from error
    app = make_app(site, secrets.token_urlsafe(32), host, port)
    log.info("http://%s:%d%s", f"[{host}]" if ":" in host else host, port, "/")
    # A client says who it is by its address alone: a header of its own is not believed.
    uvicorn.run(app, host=host, port=port, log_config=None, access_log=False, proxy_headers=False, server_header=False)


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
