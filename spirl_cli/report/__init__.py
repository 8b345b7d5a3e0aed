"""A report: results of sweeps and evaluations as one HTML file that opens anywhere."""
