"""Services that ministack lacks, and corrections of the services that it has.

`registry` registers the added services (`accelerators`, `costs`, `documents`,
`experiments`) as ministack registers its own; `patches/` has one file for each
correction. `clock` is the time that rehearsals can move, `behaviours` the list of what AWS
does as time goes by. May use `faults/`, `permissions/`, `state/` and `wire/`. Begin reading at `registry`.
"""
