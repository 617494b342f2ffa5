"""Services that ministack lacks, and what others of it leave out of their answers.

`registry` registers the added services as ministack's own are. Begin reading there, and
at `patches` for what is put right in services.
"""
