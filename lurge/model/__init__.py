"""The nouns: volumes, dumps, base directories, reports. Frozen, no I/O."""
