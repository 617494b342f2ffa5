"""Functions that add related resources to a Troposphere template.

A block knows templates, not systems, regions or configs; it returns references and the
policy statements that allow using what it added. Names come from `names` only. Uses the
model. Begin reading at `frame.start`, then any service area.
"""
