"""Accounts of the embedded AWS: opt-in regions, and AWS Organizations.

May use `wire/` and `state/`. Begin reading at `organizations`.
"""
