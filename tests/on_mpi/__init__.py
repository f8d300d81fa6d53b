"""Tests under mpiexec. Not `tests/mpi`: pytest-mpi skips tests with `mpi` among their keywords, which folders are."""
