"""Block stacking: settings, environment, physics, images, metrics and planner."""
