"""A whole system: what is seen only across its stack sets.

`checks` finds mistakes across stack sets, `templates_out` writes templates and manifest
to disk, `artifacts` reads the files that templates refer to, `ownership` finds the
system's stack sets in AWS, `units` holds what AWS Organizations deploys, and
`resource_names` says what its resources are called. May use `aws/`, `template/` and the
model. Begin reading at `checks.problems`.
"""
