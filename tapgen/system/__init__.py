"""A whole system: everything that involves more than one stack set.

`checks` finds mistakes across stack sets, `templates_out` writes templates and manifest
to disk, `evaluated` has the template that each target gets, `artifacts` reads the files
that templates refer to, `ownership` finds the system's stack sets in AWS, `units` handles
deployment by AWS Organizations, and `resource_names` reads the names of resources from
templates. May use `aws/`, `template/` and the model. Begin reading at `checks.problems`.
"""
