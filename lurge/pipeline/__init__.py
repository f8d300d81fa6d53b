"""Recipes: each job as a short file that reads like its description."""
