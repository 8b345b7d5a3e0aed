"""Writers of episodes in formats that other tools read."""
