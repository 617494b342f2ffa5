"""What writes modules of tapgen that are generated from others.

`python -m tools.generate` writes them, with `--check` it only says which are stale, as
`make fresh` does. Begin reading at `generate.MODULES`.
"""
