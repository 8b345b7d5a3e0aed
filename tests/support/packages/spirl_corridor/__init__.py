"""A domain that is no part of spirl: a cart in a corridor that is to reach its right end."""
