"""All state of the embedded AWS on disk, over a stop and over a kill.

Begin reading at `persist`.
"""
