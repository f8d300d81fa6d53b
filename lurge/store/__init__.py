"""The database: what all areas share, and one area for each kind of data."""
