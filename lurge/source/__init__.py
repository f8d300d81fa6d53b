"""Sources of records: finding and reading dumps, scanning trees, generating synthetic worlds."""
