"""Records of services and of the engine: as bytes and back, and which were accessed.

Uses no other room. Begin reading at `records`.
"""
