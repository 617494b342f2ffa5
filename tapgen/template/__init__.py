"""One template: read, evaluate for a target, compare, judge the changes.

`decode` reads JSON and YAML, and `loops` expands `Fn::ForEach`. `evaluate` computes a
template at one target, with `scope` (parameters and conditions), `functions` (intrinsic
functions), `values` (equality) and `unmapped` (failing look-ups). `schemas` describes
resource types. `diff` compares two evaluated templates: `differences` finds what differs,
`judge` says what that does, `propagation` follows it. `risk` judges the changes, with
`policies` and `grants` (permissions), `exposure` and `switches` (networks, public
access) over `sets` of values and `patterns`; `choices` decides what only AWS decides.
Uses only the model and the errors. Begin reading at
`evaluate.evaluate`.
"""
