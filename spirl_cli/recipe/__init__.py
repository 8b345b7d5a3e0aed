"""Recipes: YAML files that describe a whole pipeline, read into typed values."""
