"""What watches over a run: metrics, checkpoints, interrupts, progress.

Nothing is imported here, so that ``monitor.reporter`` stays cheap for the command line.
"""
