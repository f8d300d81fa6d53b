"""`python -m lurge`."""

from lurge.cli.main import main

if __name__ == "__main__":
    main()
