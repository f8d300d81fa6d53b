"""Synthetic volumes: seeded worlds with realistic names, sizes, ages, owners, hard links and vaults, in any era."""
