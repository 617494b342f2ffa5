"""The StackSets engine: CloudFormation's StackSets actions over real stacks.

`actions` answers the API, `operations` runs operations (order, concurrency, tolerance,
queue, stop), `stacks` creates the stack of one instance, `model` has the records. May use
`live/`, `cloudformation/`, `accounts/` and `wire/`. Begin reading at `actions`.
"""
