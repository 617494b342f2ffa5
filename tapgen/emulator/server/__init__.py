"""The process of the embedded AWS and its port.

`app` is the ASGI application, `process` the process from start to end, `lifecycle`
starts, finds and stops it for a project folder. May use every other room of the
emulator. Begin reading at `app`.
"""
