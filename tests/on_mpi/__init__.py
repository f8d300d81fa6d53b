"""Tests under mpiexec. Not `tests/mpi`: pytest-mpi skips every test with `mpi` among its keywords, which folders are."""
