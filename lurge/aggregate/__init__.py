"""Raw lines to mergeable reports: numba kernels, their plain-Python twins, merging."""
