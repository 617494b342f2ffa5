"""What is known about AWS, as tables with sources: data, no branches.

`retention` lists the properties that delete data when they shrink, start or stop,
`replacements` when a change replaces its resource, where the schemas do not say,
`attributes` which values change although their resource stays, and which lists have an
order, `interruptions` what a change in place interrupts, `guards` what protects a system,
`policies` where policies are and whom they are for, `exposure` and `addresses` what makes
a resource public or lets traffic in, `snapshots` what does not follow the changes of its
source.
`failures` lists the reasons of failed rollouts with what to do, `refusals` the updates that AWS refuses, `custom_names` the names that forbid a
replacement.
`template/` judges changes by these tables, and `cli` gives the embedded AWS a function
that refuses by them. Imports the standard library and `frozen` only. Begin reading at
`retention.Retention` and `refusals.model.Refusal`.
"""
