"""Any Gymnasium environment, with success and reward as the recipe defines them."""
