"""What a person types: thin commands, the console, and errors as exit codes."""
