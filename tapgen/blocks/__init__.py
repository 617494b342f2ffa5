"""Functions that add related resources to a Troposphere template.

A block works on templates, not on systems, regions or configs. It returns references,
and the policy statements that allow using its resources. Names come from `names` only.
Uses the model. Begin reading at `frame.start`, then any service area.
"""
