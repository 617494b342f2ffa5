"""The embedded AWS: ministack with a StackSets layer in front, on one loopback port.

It speaks AWS's wire to any client and imports nothing from tapgen.
"""
