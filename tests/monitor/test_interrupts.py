"""Signals that ask to stop: which they are, what the first one says, and what a second one does."""

from __future__ import annotations

import os
import signal

import pytest

from spirl_cli.monitor.interrupts import Interrupts
from spirl_cli.monitor.signals import SIGNALS, heeded


def test_the_signals_of_terminals_and_schedulers_are_heeded() -> None:
    assert {one.name for one in SIGNALS} == {"SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"}


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_sets_a_flag_and_says_what_a_second_does(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # whatever the shell that started the tests has set
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), number)
            assert interrupts.requested
            assert signal.getsignal(number) is signal.SIG_DFL  # a second one acts as it would without this
    finally:
        signal.signal(number, before)
    said = capfd.readouterr().err
    assert "stopping at the next safe point" in said and "a second signal ends this at once" in said


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in heeded()
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupts.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_ends_what_was_started_with_sigint_ignored() -> None:
    """A shell ignores SIGINT for the jobs that it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
            assert interrupts.requested
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as it was, for what comes after
    finally:
        signal.signal(signal.SIGINT, before)
