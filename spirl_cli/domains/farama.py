"""Preparations before packages of the Farama Foundation are imported."""

from __future__ import annotations


def silence_notices() -> None:
    """Keep Farama packages from printing their news in every worker that imports them."""
    try:
        from farama_notifications import notifications  # type: ignore[import-untyped]
    except ImportError:
        return
    notifications.clear()
