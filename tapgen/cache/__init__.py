"""What was made before, by content, so that nothing is done twice.

`store` keeps texts in a folder under a digest of what they depend on; `fingerprint` is
the digest of a config and of everything that turns it into templates. Uses nothing of
tapgen. Begin reading at `store.Kept`.
"""
