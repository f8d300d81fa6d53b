"""Documentation; `generate` writes what the code knows best."""
