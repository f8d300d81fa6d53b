"""Everything that numba compiles: how, and the loops over bytes and records themselves."""
