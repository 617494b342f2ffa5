"""AWS's protocols at the port, and calls of the wrapped emulator from inside.

`protocols` finds the action of a request and writes errors, `query_protocol` and `cbor`
read requests and write answers, `guard` refuses web pages, `connection` cuts a
connection, `inner` calls ministack in process. Uses no other room. Begin reading at
`protocols`.
"""
