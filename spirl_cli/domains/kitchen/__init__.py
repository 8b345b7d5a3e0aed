"""The kitchen's world: FrankaKitchen's simulator, its goals, and how subtasks are paid."""
