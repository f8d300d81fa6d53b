"""The tree index of each volume and date, in Parquet files that other programs can read (docs/tree.md)."""
