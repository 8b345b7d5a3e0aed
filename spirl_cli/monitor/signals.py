"""The signals that ask a command to stop: whoever sends one of them gets a saved run."""

from __future__ import annotations

import signal

# SIGHUP: a closed window or a broken connection. SIGUSR1 and SIGUSR2: what schedulers send before they end a job.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
SIGNALS = tuple(signal.Signals[name] for name in _NAMES if name in signal.Signals.__members__)


def heeded() -> tuple[signal.Signals, ...]:
    """Return the signals to react to: all but a SIGHUP that was told to be ignored, as `nohup` does."""
    return tuple(one for one in SIGNALS if one.name != "SIGHUP" or signal.getsignal(one) is not signal.SIG_IGN)
