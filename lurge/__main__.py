"""`lurge` and `python -m lurge`: the first moments of every process."""

from lurge.parallel.ranks import together
from lurge.startup import open_closed_streams, use_utf8


def main() -> None:
    """Run a command, on its own or as one of several ranks."""
    open_closed_streams()
    use_utf8()
    with together():
        # Later than MPI: an import that fails on one node must end all of them.
        from lurge.cli.main import main as run_command

        run_command()


if __name__ == "__main__":
    main()
