"""The process of the embedded AWS and its port.

`app` is the ASGI application, `process` the process from start to end, `settings` what
ministack is started with; `lifecycle` starts, finds and stops the process of a project
folder. May use every other room of the emulator but `live/` and `services/`. Begin
reading at `app`.
"""
