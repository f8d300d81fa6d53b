"""Queries of the usage area; nothing here changes a row."""
