"""The module `cfnresponse` (Node.js: `cfn-response`) beside a function's inline code.

Lambda puts it there for code that a template gives in `ZipFile` (CloudFormation guide,
"cfn-response module"); ministack does not. Both modules send what the guide's do.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import CFN, replace_everywhere

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.provisioners": {"_zip_inline": ("source", "handler", "runtime")}
}
"""Private names of ministack used here, as `private_names` describes them."""

_PYTHON = """import json
import urllib.request

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(event, context, responseStatus, responseData, physicalResourceId=None,
         noEcho=False, reason=None):
    body = json.dumps({
        "Status": responseStatus,
        "Reason": reason or "See the details in CloudWatch Log Stream: {}".format(
            context.log_stream_name),
        "PhysicalResourceId": physicalResourceId or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    })
    print("Response body:", body)
    request = urllib.request.Request(
        event["ResponseURL"], body.encode(), {"content-type": ""}, method="PUT")
    try:
        with urllib.request.urlopen(request) as response:
            print("Status code:", response.status)
    except Exception as error:
        print("send(..) failed executing the request:", error)
"""

_NODE = """exports.SUCCESS = "SUCCESS";
exports.FAILED = "FAILED";

exports.send = function (event, context, status, data, physicalResourceId, noEcho) {
  const body = JSON.stringify({
    Status: status,
    Reason: "See the details in CloudWatch Log Stream: " + context.logStreamName,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: data,
  });
  console.log("Response body:\\n", body);
  const to = new URL(event.ResponseURL);
  const request = require("https").request({
    hostname: to.hostname,
    port: 443,
    path: to.pathname + to.search,
    method: "PUT",
    headers: { "content-type": "", "content-length": Buffer.byteLength(body) },
  }, function (response) {
    console.log("Status code: " + response.statusCode);
    response.resume();
    context.done();
  });
  request.on("error", function (error) {
    console.log("send(..) failed executing https.request(..): " + error);
    context.done();
  });
  request.write(body);
  request.end();
};
"""

_MODULES = (
    ("python", "cfnresponse", "cfnresponse.py", _PYTHON),
    ("nodejs", "cfn-response", "node_modules/cfn-response/index.js", _NODE),
)
"""Runtimes, the name in the source, the file, its text."""


def apply() -> None:
    """Add the module to the code that names it."""

    def completing(original: Any) -> Any:
        def zip_inline(
            source: str | None, handler: str, runtime: str = "python3.12"
        ) -> bytes | None:
            packed: bytes | None = original(source, handler, runtime)
            for family, name, path, text in _MODULES:
                if packed and source and runtime.startswith(family) and name in source:
                    packed = _with_file(packed, path, text)
            return packed

        return zip_inline

    replace_everywhere("_zip_inline", completing)


def _with_file(packed: bytes, path: str, text: str) -> bytes:
    held = io.BytesIO(packed)
    with zipfile.ZipFile(held, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path, text)
    return held.getvalue()
