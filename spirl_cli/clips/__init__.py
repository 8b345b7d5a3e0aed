"""The clip dataset: every demonstrated step is stored once, and windows are gathered on demand."""
