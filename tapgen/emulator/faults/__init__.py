"""Faults: failures on request, where and how often.

`model` has the fault, `parsing` reads faults from YAML and options, `active` decides
which fault hits a call or a resource. May use `wire/`. Begin reading at `active`.

A fault matches AWS calls at the port, or resources that CloudFormation creates, and has
one effect on them. A key that is left out matches everything; names may have wildcards.

    match:    service action account region stack_set logical_id type
              nth (of the matching times, 1 is the first) times (0 is always)
              probability (with seed)
    effects:  fail          a resource fails with a reason, and its stack rolls back
              delay         an answer or a resource comes `seconds` later, or when the fault
                            is removed
              throttle      the service throttles the caller
              error         the service fails: status 500 or 503, or a `code` and status
              cut           the connection ends without an answer, `when` before or after
                            the work was done
              unavailable   a service, or every service, is unavailable
              expired       the credentials have expired
              denied        no policy allows the call
              kill          the process of the function that makes the call is killed,
                            `when` before or after the work was done; its caller gets the
                            `reason`
"""
