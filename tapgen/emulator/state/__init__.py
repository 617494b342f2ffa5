"""Records: what services and the engine hold, as bytes and back.

Uses nothing else of the emulator. Begin reading at `records`.
"""
