"""Which stacks a stack set can take over, and what is different for them afterwards. Pure.

What AWS asks for: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-import.html
It does not say which states a stack may be in. Here these are the stable ones
(https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_RollbackStack.html):
a stack set cannot do anything with a stack in another state either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tapgen.aws.existing import IN_REVIEW, Existing, Owners, Wanted
from tapgen.model import BOOTSTRAP_STACK, System, Target
from tapgen.system.imported import Part
from tapgen.template import nested
from tapgen.template.parameters import parameters_of
from tapgen.template.values import mapping

_READY = {
    *("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"),
    *("IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"),
}
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
_REPAIR = {
    IN_REVIEW: "it has a change set and no resources; execute it, or delete the stack",
    "CREATE_FAILED": "delete it, and create it again",
    "ROLLBACK_COMPLETE": "it has no resources left and can only be deleted",
    "ROLLBACK_FAILED": "it can only be deleted",
    "UPDATE_FAILED": "update it again, or take it back (aws cloudformation rollback-stack)",
    "UPDATE_ROLLBACK_FAILED": "continue its way back (aws cloudformation "
    "continue-update-rollback)",
    "IMPORT_ROLLBACK_FAILED": "repair it first",
    "DELETE_FAILED": "finish deleting it, or repair it first",
}
_BOOTSTRAP = "the stacks with which tapgen itself works: its roles and its bucket"
_WAIT = "wait until it has ended, and give the command again"


def chosen(
    found: Iterable[Existing], wanted: Wanted
) -> tuple[list[Existing], list[str]]:
    """Return the stacks to import, and in words those that a prefix or tag has found and
    that are nothing by themselves: nested stacks, stacks in review, and those of tapgen
    bootstrap. One that was named is kept, to be refused."""
    to_import: list[Existing] = []
    left_out: list[str] = []
    for one in found:
        own = re.fullmatch(BOOTSTRAP_STACK, one.name)
        by_itself = not one.parent and one.status != IN_REVIEW and not own
        if by_itself or wanted.names_it(one.name, one.id):
            to_import.append(one)
        elif one.parent:
            left_out.append(f"{_where(one)}: it is nested in {_name(one.parent)}")
        elif own:
            left_out.append(f"{_where(one)}: it is one of {_BOOTSTRAP}")
        else:
            left_out.append(f"{_where(one)}: it is {IN_REVIEW}, without resources")
    return to_import, left_out


def refusals(
    found: Iterable[Part], owners: Owners, own: Mapping[str, Target]
) -> list[str]:
    """Return why stacks cannot be imported, a line for each reason. `own` are the stack sets
    that are to have them, by name, with the account and region that administers them.
    """
    return [line for part in found for line in _refusals(part, owners, own)]


def _refusals(part: Part, owners: Owners, own: Mapping[str, Target]) -> Iterator[str]:
    for one in part.stacks:
        yield from _of_stack(one, owners, own)
    if any(not one.template for one in part.stacks):
        return
    if not part.is_readable:
        yield f"the template of {part.name} cannot be read"
        return
    body = json.loads(part.data)
    if "Transform" in body or '"Fn::Transform"' in part.data:
        yield (
            f"the template of {part.name} has a macro (Transform), and tapgen deploys what "
            "macros give; deploy the stack without it first"
        )
    inner = [
        name
        for name, resource in mapping(body.get("Resources")).items()
        if mapping(resource).get("Type") == nested.TYPE
    ]
    if inner:
        yield (
            f"{part.name} has the nested {_some('stack', inner)}, whose template is in S3 "
            "and not in that of the stack: tapgen would send another one, and AWS imports "
            "only what has the same template"
        )
    declared = parameters_of(part.data)
    hidden = [n for n, p in declared.items() if str(p.get("NoEcho")).lower() == "true"]
    if hidden:
        yield (
            f"{part.name} has the NoEcho {_some('parameter', hidden)}: AWS imports no such "
            "stacks; take the value from a secret or from Parameter Store instead"
        )


def _of_stack(
    one: Existing, owners: Owners, own: Mapping[str, Target]
) -> Iterator[str]:
    name, place = owners.found.get(one.id, ("", None))
    if name and own.get(name) != place:
        yield (
            f"{_where(one)} belongs to stack set {name} in {place} already, and a stack "
            "belongs to one at most; delete its instance there with --retain-stacks first"
        )
    if re.fullmatch(BOOTSTRAP_STACK, one.name):
        yield f"{_where(one)} is one of {_BOOTSTRAP}; leave it to tapgen bootstrap"
    if one.parent:
        yield f"{_where(one)} is nested in {_name(one.parent)}; import that one"
    elif one.status not in _READY:
        yield f"{_where(one)} is {one.status}; {_REPAIR.get(one.status, _WAIT)}"


def changed(found: Iterable[Part], system: System) -> list[str]:
    """Return the parts whose template tapgen would send as another one: AWS imports a stack
    only into a stack set with the template that it has."""
    sent = {s.part: s.template for s in system.stack_sets}
    return [
        f"{part.name}: tapgen sends its template in another form (it has a macro, a loop, or "
        "files of its own), and AWS imports only what has the same template"
        for part in found
        if json.dumps(json.loads(sent[part.name]), sort_keys=True) != part.data
    ]


def occupied(
    found: Iterable[Part], there: Mapping[str, Iterable[str]], prefix: str
) -> list[str]:
    """Return why stack sets that exist are in the way of these; `there` are those whose
    names begin with `prefix`, with the ids of their stacks."""
    ours = {f"{prefix}-{part.name}": {*part.ids.values()} for part in found}
    return [
        f"stack set {name} exists already, and is of another system of the same name and "
        "suffix; give another name, or another --suffix"
        for name, ids in sorted(there.items())
        if not ours.get(name, set()).issuperset(ids) or name not in ours
    ]


def warnings(found: Iterable[Part], owners: Owners) -> list[str]:
    """Return what an import leaves as it is and the next update may change or meet, and
    what could not be read."""
    said = [line for part in found for line in _warnings(part, owners)]
    if owners.unread:
        places = ", ".join(f"{place} ({why})" for place, why in owners.unread.items())
        said.append(
            f"the stack sets of {places} could not be read; if one of them has a stack, AWS "
            "refuses to import it, and nothing changes"
        )
    return said


def _warnings(part: Part, owners: Owners) -> Iterator[str]:
    tags = {f"{k}={v}" for one in part.stacks for k, v in one.tags.items()}
    if tags:
        yield (
            f"the next update gives the stacks of {part.name} and their resources the "
            f"tags of the system in place of {', '.join(sorted(tags))}; write into the "
            "file under tags: what is to stay"
        )
    for one in part.stacks:
        where = _where(one)
        if one.created_by and one.id not in owners.found:
            yield (
                f"{where} was made by a stack set {one.created_by}, which was not found in the "
                "accounts and regions that were searched; if it still has the stack, AWS "
                "refuses to import it, and nothing changes"
            )
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_UpdateStack.html
        # on RoleARN: without a value, the role "previously associated with the stack".
        if one.role:
            yield (
                f"{where} has the service role {one.role}: its updates go on with the "
                "permissions of that role, not with those of the system's execution role"
            )
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-protect-stacks.html
        if one.protected:
            yield (
                f"{where} has termination protection: tapgen destroy fails there until it is "
                "off"
            )
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
        if one.policy or one.policy is None:
            has = "has" if one.policy else "may have (the caller may not read it)"
            yield f"{where} {has} a stack policy, which holds for rollouts as well"
        if one.drifted:
            yield (
                f"{where} has drifted: an update of a changed resource overwrites what was "
                "changed; tapgen drift shows it after the import"
            )


def _some(noun: str, names: Sequence[str]) -> str:
    return f"{noun}{'s' * (len(names) != 1)} {', '.join(sorted(names))}"


def _where(one: Existing) -> str:
    return f"{one.name} in {one.target}"


def _name(stack_id: str) -> str:
    """The name in the id of a stack."""
    return stack_id.split("/")[1] if "/" in stack_id else stack_id
