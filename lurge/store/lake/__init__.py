"""The lake: Iceberg tables of inventories, through pyiceberg."""
