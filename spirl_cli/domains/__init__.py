"""Domains: one folder per environment, with everything that spirl knows of it."""
