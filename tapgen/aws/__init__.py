"""The one door to AWS: every call that tapgen makes, in tapgen's own nouns.

botocore's dictionaries and exceptions do not leave this room. May use `template/`, the
model and the errors. Begin reading at `session.Aws` and `stacksets.StackSets`.
"""
