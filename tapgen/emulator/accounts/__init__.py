"""Accounts of the embedded AWS: opt-in regions, and AWS Organizations.

`organizations` answers what StackSets needs to know, `organizations_api` and `regions`
answer the APIs of AWS Organizations and Account Management. Uses no other room. Begin
reading at `organizations`.
"""
