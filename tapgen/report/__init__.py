"""Plans, outcomes and systems as text, data and Markdown.

`data` is the contract of `--output json`, `text` what a terminal shows, `markdown` the
comment on a pull request, `saved` a plan as a file. Takes the data of the stages and
calls nothing. Begin reading at `text.plan`.
"""
