"""What ministack's CloudFormation lacks or gets wrong.

Every change to ministack stands here or in `services/`, with its reason;
`patches.check` compares the private names used with the pinned version at every start.
Begin reading at `patches`.
"""
