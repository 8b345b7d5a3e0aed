"""Artifacts on disk: references, manifests, fingerprints, atomic writes and locks.

Layout: `ROOT/<recipe>/<stage>/v<NNN>-<fingerprint>/` with a `manifest.json`; a run in progress
lives beside its future artifact in `run-<fingerprint>/`. Names that start with a dot (locks,
staging and trash folders) are the store's own and never artifacts.
"""
