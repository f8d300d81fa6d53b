"""Checks of everything that a new site gets wrong, each with advice; one module for each stage."""
