"""What ministack's CloudFormation lacks or gets wrong.

`patches/` has one file for each correction, with the reason. `change_sets`,
`drift_aware`, `nested`, `not_emulated`, `provisioning` and `validations` are larger
additions; `template_checks`
and `property_checks` have what is pure. `patches.check` compares the private names of ministack that are used with the
installed version, at every start. May use `services/`, `faults/`, `accounts/` and
`wire/`. Begin reading at `patches`.
"""
