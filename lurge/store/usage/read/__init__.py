"""Queries of the usage area. No module here changes a row."""
