"""The embedded AWS: ministack with a StackSets layer in front, on one loopback port.

It answers any AWS client and imports nothing from the rest of tapgen. From the outside
in: `server/` the process and its port, `persistence/` all state on disk, `stacksets/`
the engine, `live/` live properties for drift detection, `resources/` resource types that
ministack lacks, `cloudformation/` and `services/` corrections of ministack and added
services, `faults/` failures on request, `wire/` AWS's protocols, `accounts/` regions and
organizations, `state/` records. Begin reading at `server/app.py`.
"""
