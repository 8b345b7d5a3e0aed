"""`python -m spirl_cli`: the same as the command `spirl`."""

from __future__ import annotations

from spirl_cli.cli.app import main

if __name__ == "__main__":
    main()
