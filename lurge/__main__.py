"""`lurge` and `python -m lurge`: the start of every process."""

import gc

from lurge.parallel.ranks import together
from lurge.startup import open_closed_streams, use_utf8


def main() -> None:
    """Run a command, alone or as one of several ranks."""
    # Imports and millions of rows leave no cycles behind. Python's default would spend seconds on looking for them.
    gc.set_threshold(250_000, 50, 100)
    open_closed_streams()
    use_utf8()
    with together():
        # Imported after MPI has started: an import that fails on one node must end all ranks.
        from lurge.cli.main import main as run_command

        run_command()


if __name__ == "__main__":
    main()
