"""Domains: everything that spirl knows of one environment stands in a folder of its own here."""
