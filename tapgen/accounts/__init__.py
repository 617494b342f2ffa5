"""Prerequisites of stack sets in an account: roles and the artifact bucket.

May use `blueprints/`, `system/`, `template/` and `aws/`. Begin reading at
`bootstrap.run`; what the roles must allow is in `roles`.
"""
