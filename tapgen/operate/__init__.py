"""Carry out procedures on a deployed system: fail over, go back, promote a replica, shift
traffic.

A procedure of `procedures/` gets the names of one system at one region role (`filling`),
and becomes a program of acts and checks (`programs`), which runs with the journal and the
lock of a rollout: so it can be stopped, resumed and reversed, and excludes a rollout.
`databases` says which procedures a failover is, from who writes and which regions answer;
`replicas` what a promotion is, `shifting` how traffic moves, and `outputs` reads what they
need of stacks. `running` starts it, and `chapters` lists all procedures for people.
`drilling` makes the steps of a drill, and `drilled` reads from its journal what it has
found. `rehearsing` copies what is deployed into another AWS, to try a plan there, and says what a
failure has left. `migrating` only looks how far a migration is, and `notifying` says at the
end what was done. May use `procedures/`, `rollout/` and `aws/`. Begin reading at
`databases.failover`.
"""
