"""The StackSets engine: CloudFormation's StackSets actions over real stacks.

`actions` answers the API, `operations` runs operations (order, concurrency, tolerance,
queue, stop), `stacks` makes the stack of one instance, `model` holds the records. Begin
reading at `actions`.
"""
