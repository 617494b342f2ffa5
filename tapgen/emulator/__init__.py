"""The embedded AWS: ministack with a StackSets layer in front, on one loopback port.

It speaks AWS's wire to any client and imports nothing from the rest of tapgen. From the
outside in: `server/` the process and its port, `persistence/` all state on disk,
`stacksets/` the engine, `live/` what services really have (for drift), `resources/` the
resource types that ministack lacks, `cloudformation/` and `services/` what of ministack is
put right, `faults` on request, `wire/` AWS's protocols, `accounts/` regions and
organizations, `state/` records. Begin reading at `server/app.py`.
"""
