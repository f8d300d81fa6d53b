"""Inventories of S3 buckets: finding them, and reading their files as tables."""
