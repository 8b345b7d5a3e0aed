"""The five stages as a graph: plan what is stale, and why; run it."""
