"""Plans, outcomes and systems as text, data and Markdown.

`data` is the contract of `--output json`, `text` the output in a terminal, `markdown` the
comment on a pull request, `saved` a plan as a file. Formats the data of the stages and
calls none of them. Begin reading at `text.plan`.
"""
