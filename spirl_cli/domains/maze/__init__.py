"""The maze: settings, environment, layouts, physics, images and planner."""
