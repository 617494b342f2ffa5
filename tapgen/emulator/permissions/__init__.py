"""What roles may do: policies that are enforced, not only stored.

`decisions` decides on one call, `enforcing` checks the calls that are made as a role and
keeps what was refused. Uses ministack's evaluation of policies. Begin reading at
`decisions.decide`.
"""
