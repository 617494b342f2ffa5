"""What operators do to the shipped systems, as data: checks, calls, read-backs, undo.

`payments_dr` and `region_migration` define the procedures of these systems, from the
names that their blueprints give; `databases` and `traffic` hold the steps. `automation`
turns a step into those of a Systems Manager runbook. A manifest lists the same
definitions, so nothing that runs them needs the runbooks. The nouns are in
`model/procedures.py`; uses only `model/`.
Begin reading at `payments_dr.procedures`.
"""
