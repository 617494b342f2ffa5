"""Targets that share their values are compared once, and each as if it were alone."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tapgen import plan
from tapgen.model import HIDDEN, InstanceStatus, ObservedInstance, Override, Target
from tests import make

TARGETS = tuple(Target(f"{n:012}", "us-east-1") for n in range(5))
values = st.sampled_from(["a", "b", HIDDEN])
instances = st.builds(
    lambda status, own, stack: make.instance(status, overrides=own, parameters=stack),
    st.sampled_from([InstanceStatus.CURRENT, InstanceStatus.OUTDATED]),
    st.one_of(st.just({}), st.fixed_dictionaries({"X": values})),
    st.one_of(st.none(), st.none(), st.fixed_dictionaries({"X": values})),
)


@given(
    st.lists(instances, min_size=len(TARGETS), max_size=len(TARGETS)),
    values,
    st.booleans(),
)
def test_each_target_has_the_reasons_that_it_has_alone(
    deployed: list[ObservedInstance], shared: str, differs: bool
) -> None:
    own = (Override({"X": "b"}, account=TARGETS[0].account),) if differs else ()
    wanted = make.stack_set("p", targets=TARGETS, parameters={"X": "a"}, overrides=own)
    found = make.observed(wanted, parameters={"X": shared})
    found = replace(found, instances=dict(zip(TARGETS, deployed, strict=True)))

    together = plan.make(make.system(wanted), {wanted.name: found})

    chosen = {t for step in together.steps for t in step.targets}
    for target, instance in found.instances.items():
        one = replace(wanted, targets=(target,))
        there = replace(found, instances={target: instance})
        alone = plan.make(make.system(one), {wanted.name: there})
        assert bool(alone.steps) is (target in chosen)
        for step in alone.steps:
            (whole,) = (s for s in together.steps if target in s.targets)
            assert {*step.reasons} <= {*whole.reasons}
            assert step.values == whole.values
