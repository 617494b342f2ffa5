"""Documents of Systems Manager, which ministack lacks, with all their versions.

`automations` runs those that call services and functions.
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateDocument.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services.registry import (
    Record,
    Refusal,
    Response,
    Service,
    place,
    unknown,
)
from tapgen.emulator.state.tracked import Tracked

NAME = "ssm-documents"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.ssm": {
        "handle_request": ("method", "path", "headers", "body", "query_params")
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

# By account, region and name.
_documents: dict[str, Record] = Tracked()

_SCHEMAS = {"Automation": ("0.3",), "Command": ("1.2", "2.0", "2.2")}


def install() -> None:
    """Answer in front of ministack's Systems Manager; a second call changes nothing."""
    ssm: Any = import_module("ministack.services.ssm")
    SERVICE.install()
    if getattr(ssm.handle_request, "documents", False):
        return
    original = ssm.handle_request

    async def handle_request(
        method: str, path: str, headers: Any, body: bytes, query_params: Any
    ) -> Any:
        action = headers.get("x-amz-target", "").partition(".")[2]
        found = _about_document(action, body)
        if found is not None:
            return found
        return await original(method, path, headers, body, query_params)

    handle_request.documents = True  # type: ignore[attr-defined]
    ssm.handle_request = handle_request


def _about_document(action: str, body: bytes) -> Response | None:
    """The answer to a request for documents, None for every other request."""
    tagged = action.endswith(("TagsToResource", "TagsFromResource", "TagsForResource"))
    if tagged and json.loads(body or b"{}").get("ResourceType") != "Document":
        return None
    if not tagged and action not in _OPERATIONS:
        return None
    return SERVICE.respond(action, body)


def _answer(action: str, given: Record) -> Record:
    operation = _OPERATIONS.get(action)
    if operation is None:
        raise unknown(action)
    return operation(given)


def _key(name: str) -> str:
    return ":".join((*place(), name))


def _found(name: str) -> Record:
    record = _documents.get(_key(name))
    if record is None:
        raise Refusal("InvalidDocument", f"Document with name {name} does not exist.")
    return record


def _checked(kind: str, given: Record) -> str:
    """The content, which must be that of a document of its kind."""
    text = str(given.get("Content", ""))
    try:
        content = json.loads(text)
    except ValueError as error:
        raise Refusal("InvalidDocumentContent", "Invalid JSON or YAML") from error
    allowed = _SCHEMAS.get(kind)
    if allowed and content.get("schemaVersion") not in allowed:
        raise Refusal(
            "InvalidDocumentContent",
            f"Document schema version {content.get('schemaVersion')} is not supported "
            f"by document type {kind}.",
        )
    if kind == "Automation" and not content.get("mainSteps"):
        raise Refusal("InvalidDocumentContent", "mainSteps must not be empty")
    return text


def _create(given: Record) -> Record:
    name, kind = given["Name"], given.get("DocumentType", "Command")
    if _key(name) in _documents:
        raise Refusal(
            "DocumentAlreadyExists",
            f"Document with same name {name} already exists.",
        )
    record = {
        "Name": name,
        "Type": kind,
        "Format": given.get("DocumentFormat", "JSON"),
        "Created": time.time(),
        "Versions": [_checked(kind, given)],
        "Default": 1,
        "Tags": {tag["Key"]: tag["Value"] for tag in given.get("Tags", [])},
    }
    _documents[_key(name)] = record
    return {"DocumentDescription": _description(record)}


def _description(record: Record) -> Record:
    content = json.loads(record["Versions"][-1])
    return {
        "Name": record["Name"],
        "Owner": place()[0],
        "Description": content.get("description", ""),
        "DocumentType": record["Type"],
        "DocumentFormat": record["Format"],
        "DocumentVersion": str(len(record["Versions"])),
        "LatestVersion": str(len(record["Versions"])),
        "DefaultVersion": str(record["Default"]),
        "SchemaVersion": str(content.get("schemaVersion", "")),
        "CreatedDate": record["Created"],
        "Status": "Active",
        "Tags": [{"Key": k, "Value": v} for k, v in record["Tags"].items()],
    }


def content(name: str) -> Record:
    """Return what GetDocument answers for the default version. Refusal for an unknown
    name."""
    return _get({"Name": name})


def _describe(given: Record) -> Record:
    return {"Document": _description(_found(given["Name"]))}


def _get(given: Record) -> Record:
    record = _found(given["Name"])
    wanted = str(given.get("DocumentVersion", "$DEFAULT"))
    latest = len(record["Versions"])
    named = {"$DEFAULT": record["Default"], "$LATEST": latest}
    number = int(named.get(wanted, wanted))
    if not 1 <= number <= latest:
        raise Refusal("InvalidDocumentVersion", f"There is no version {wanted}.")
    return {
        "Name": record["Name"],
        "Content": record["Versions"][number - 1],
        "DocumentType": record["Type"],
        "DocumentFormat": record["Format"],
        "DocumentVersion": str(number),
        "Status": "Active",
    }


def _update(given: Record) -> Record:
    record = _found(given["Name"])
    content = _checked(record["Type"], given)
    if content in record["Versions"]:
        raise Refusal(
            "DuplicateDocumentContent",
            "The content of the association document matches another document. Change "
            "the content of the document and try again.",
        )
    record["Versions"].append(content)
    return {"DocumentDescription": _description(record)}


def _set_default(given: Record) -> Record:
    record = _found(given["Name"])
    record["Default"] = int(given["DocumentVersion"])
    described = {"Name": record["Name"], "DefaultVersion": str(record["Default"])}
    return {"Description": described}


def _delete(given: Record) -> Record:
    _found(given["Name"])
    del _documents[_key(given["Name"])]
    return {}


def _list(given: Record) -> Record:
    prefix = _key("")
    return {
        "DocumentIdentifiers": [
            _description(record)
            for key, record in sorted(_documents.items())
            if key.startswith(prefix)
        ]
    }


def _tag(given: Record) -> Record:
    tags = _found(given["ResourceId"])["Tags"]
    tags.update({tag["Key"]: tag["Value"] for tag in given.get("Tags", [])})
    return {}


def _untag(given: Record) -> Record:
    tags = _found(given["ResourceId"])["Tags"]
    for key in given["TagKeys"]:
        tags.pop(key, None)
    return {}


def _list_tags(given: Record) -> Record:
    tags = _found(given["ResourceId"])["Tags"]
    return {"TagList": [{"Key": k, "Value": v} for k, v in tags.items()]}


_OPERATIONS: Mapping[str, Callable[[Record], Record]] = {
    "AddTagsToResource": _tag,
    "CreateDocument": _create,
    "DeleteDocument": _delete,
    "DescribeDocument": _describe,
    "GetDocument": _get,
    "ListDocuments": _list,
    "ListTagsForResource": _list_tags,
    "RemoveTagsFromResource": _untag,
    "UpdateDocument": _update,
    "UpdateDocumentDefaultVersion": _set_default,
}

SERVICE = Service(NAME, _answer)
