"""All state of the embedded AWS on disk, so that it survives a stop and a kill.

`persist` saves and restores records, `interrupted` ends work that a kill interrupted,
`stores` makes ministack's stores faster. May use `stacksets/`, `cloudformation/`,
`state/` and `wire/`. Begin reading at `persist`.
"""
