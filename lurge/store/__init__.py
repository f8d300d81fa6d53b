"""The database: schema, migrations, lookups, the swap."""
