"""What environments of the Farama Foundation's packages need before they are imported."""

from __future__ import annotations


def silence_notices() -> None:
    """Keep Farama packages from printing their news when they are imported, in every worker."""
    try:
        from farama_notifications import notifications  # type: ignore[import-untyped]
    except ImportError:
        return
    notifications.clear()
