"""AWS's protocols at the port, and calls of the wrapped emulator from inside.

`protocols` finds the action of a request, `query_protocol` and `cbor` read and write
it, `guard` keeps web pages away, `inner` calls ministack in process. Begin reading at
`protocols`.
"""
