"""The commands: one module a group. `main` alone turns errors into text and exit status."""
