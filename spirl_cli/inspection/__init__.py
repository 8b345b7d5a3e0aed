"""Looking at datasets and environments before anything is trained; writing a recipe for both."""
