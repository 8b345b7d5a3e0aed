"""What sweeps promise, measured: the same weights by every engine, faults, overhead, cores, planning."""
