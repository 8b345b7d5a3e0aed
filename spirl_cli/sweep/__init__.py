"""Sweeps: a recipe × settings × seeds as a list of ordinary command lines over one store."""
