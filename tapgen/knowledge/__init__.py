"""What is known about AWS, as tables with sources: data, no branches.

`retention` lists the properties that delete data when they shrink, start or stop.
`template/` judges changes by these tables. Imports the standard library only. Begin
reading at `retention.Retention`.
"""
