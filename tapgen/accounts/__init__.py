"""What an account needs before the first stack set: roles and the artifact bucket.

May use `blueprints/`, `system/`, `template/` and `aws/`. Begin reading at
`bootstrap.run`.
"""
