"""One template: read, evaluated for a target, compared, judged.

`decode` reads JSON and YAML, `loops` expands `Fn::ForEach`, `evaluate` computes what a
template is at one target, `schemas` knows the resource types, `diff` compares two
evaluated templates, `risk`, `grants` and `exposure` judge what changed. Knows no system
and no AWS call; uses only the model and the errors. Begin reading at
`evaluate.evaluate`.
"""
