"""`lurge` and `python -m lurge`: the first moments of every process."""

import os
import sys

from lurge.stream.ranks import together


def open_closed_streams() -> None:
    """Open those of standard input, output and error that are closed, on /dev/null.

    Otherwise the next file that is opened takes such a place, and gets what libraries write to standard error.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, so this one; mpiexec needs it, too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def main() -> None:
    """Run a command, on its own or as one of several ranks."""
    open_closed_streams()
    with together():
        # Later than MPI: an import that fails on one node must end all of them.
        from lurge.cli.main import main as run_command

        run_command()


if __name__ == "__main__":
    main()
