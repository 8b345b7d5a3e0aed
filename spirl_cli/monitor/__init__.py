"""Monitoring of runs: metrics, checkpoints, interrupts, progress.

This file imports nothing, so that importing `monitor.reporter` is fast for the command line.
"""
