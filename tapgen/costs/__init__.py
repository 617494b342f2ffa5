"""What a system costs in a month: quantities from its templates, times list prices.

`quantities` reads what is charged from the templates as each target gets them, with the
assumptions of the file; `price_lists` reads AWS's bulk price lists; `estimate` puts both
together. A price that nobody has given is unknown, and never 0. Nothing is read from AWS.
Begin reading at `estimate.of`.
"""
