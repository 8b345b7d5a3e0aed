"""The five stages as a graph: plans which stages are stale and why, and runs them."""
