"""Earlier results, cached by content hash, so that nothing is done twice.

`store` stores texts in a folder with a digest of what they depend on; `fingerprint` is
the digest of a config and of everything that turns it into templates. Uses nothing of
tapgen but `frozen`. Begin reading at `store.Store`.
"""
