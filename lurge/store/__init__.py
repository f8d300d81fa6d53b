"""The database: what every kind of it needs, and an area for each kind of data."""
