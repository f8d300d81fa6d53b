"""Shared types: volumes, dumps, base directories, reports. Immutable, without I/O."""
