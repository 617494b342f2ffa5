"""Web pages cannot use the embedded AWS; tools and deployed APIs work as before."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest

from tapgen.emulator.server import lifecycle
from tapgen.emulator.server.proof import CONTROL
from tests.emulator.conftest import PATIENCE
from tests.emulator.places import Place
from tests.emulator.resources.test_gateway import api

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EVIL = "http://evil.example"
ACCOUNT = "000000000000"


def presigned(service: str) -> str:
    """A query that names an account without a header, as any page could write it."""
    scope = f"{ACCOUNT}/20260101/us-east-1/{service}/aws4_request"
    return "?" + urlencode({"X-Amz-Credential": scope})


def ask(
    server: lifecycle.Server,
    method: str,
    path: str,
    headers: Mapping[str, str],
    **form: str,
) -> tuple[int, dict[str, str], str]:
    """One request as it stands; `Host` is 127.0.0.1 unless given."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        body = urlencode(form).encode() if form else None
        sent = {**(FORM if form else {}), **headers}
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        given = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, given, answer.read().decode()
    finally:
        connection.close()


def allowed(server: lifecycle.Server) -> Place:
    return Place(server.url, ACCOUNT)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost:{port}",
        "LOCALHOST.",
        "[::1]:{port}",
        "bucket.localhost:{port}",
        "bucket.s3.localhost",
        "111111111111.127.0.0.1:{port}",
        "sts.us-east-1.amazonaws.com",
        "sts.cn-north-1.amazonaws.com.cn",
    ],
)
def test_hosts_that_mean_this_machine_are_answered(
    server: lifecycle.Server, host: str
) -> None:
    headers = {"Host": host.format(port=server.port)}
    identity = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
    status, _, _ = ask(server, "POST", "/" + presigned("sts"), headers, **identity)
    assert status != 403


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "notlocalhost",
        "amazonaws.com.evil.example",
        f"{'a' * 32}.lambda-url.us-east-1.evil.example",
        "10.0.0.1",
    ],
)
@pytest.mark.parametrize("path", ["/", "/_ministack/reset", f"{CONTROL}identity"])
def test_a_name_that_resolves_to_this_machine_is_refused(
    server: lifecycle.Server, host: str, path: str
) -> None:
    headers = {"Host": host.format(port=server.port)}
    status, _, body = ask(server, "POST", path + presigned("iam"), headers)
    assert status == 403
    assert "does not answer requests for the host name" in body


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "https://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("service", ["iam", "cloudformation"])
def test_a_page_of_another_origin_changes_nothing(
    server: lifecycle.Server, headers: dict[str, str], service: str
) -> None:
    name = "made-by-a-page"
    actions = {
        "iam": {"Action": "CreateUser", "UserName": name, "Version": "2010-05-08"},
        "cloudformation": {
            "Action": "CreateStackSet",
            "StackSetName": name,
            "TemplateBody": '{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}',
            "Version": "2010-05-15",
        },
    }
    path = "/" + presigned(service)
    status, given, body = ask(server, "POST", path, headers, **actions[service])
    assert status == 403
    assert "does not answer requests of web pages" in body
    assert not [n for n in given if n.startswith("access-control-")]
    place = allowed(server)
    users = place.client("iam").list_users()["Users"]
    sets = place.client("cloudformation").list_stack_sets()["Summaries"]
    assert name not in [u["UserName"] for u in users]
    assert name not in [s["StackSetName"] for s in sets]


def test_a_preflight_allows_a_page_nothing(server: lifecycle.Server) -> None:
    headers = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    status, given, _ = ask(server, "OPTIONS", "/", headers)
    assert status == 403
    assert not [n for n in given if n.startswith("access-control-")]


def test_no_origin_may_read_what_aws_answers(server: lifecycle.Server) -> None:
    for method, path in (
        ("POST", "/" + presigned("sts")),
        ("GET", "/some-bucket"),
        ("OPTIONS", "/"),
        ("GET", "/_ministack/health"),
    ):
        _, given, _ = ask(server, method, path, {})
        assert not [n for n in given if n.startswith("access-control-")], path


def test_a_refusal_has_the_form_of_the_service(server: lifecycle.Server) -> None:
    headers = {"Origin": EVIL}
    signed = "AWS4-HMAC-SHA256 Credential=1/20260101/us-east-1/{}/aws4_request"
    dynamodb = {
        "Authorization": signed.format("dynamodb"),
        "X-Amz-Target": "DynamoDB_20120810.ListTables",
    }
    status, _, body = ask(server, "POST", "/", {**headers, **dynamodb})
    assert status == 403
    assert json.loads(body)["__type"] == "AccessDeniedException"
    s3 = {"Authorization": signed.format("s3")}
    status, _, body = ask(server, "GET", "/", {**headers, **s3})
    assert status == 403
    assert "<Error><Code>AccessDenied</Code>" in body


def test_opening_it_in_the_browser_is_the_users_own_doing(
    server: lifecycle.Server,
) -> None:
    for headers in (
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": server.url, "Host": server.url.removeprefix("http://")},
    ):
        status, _, _ = ask(server, "GET", "/_ministack/health", headers)
        assert status == 200


def test_apis_are_open_to_pages_but_lead_to_nothing_else(
    server: lifecycle.Server,
) -> None:
    place = allowed(server)
    place.create("guarded", api())
    path = f"/restapis/{place.ids('guarded')['Api']}/v1/_user_request_/"
    page = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    status, _, body = ask(server, "GET", path, page)
    assert (status, body) == (200, "old")
    sneaky = {"Action": "ListStackSets", "Version": "2010-05-15"}
    for elsewhere in (path, "/_aws/execute-api/no/no/", "/_aws/lambda-url/no/"):
        query = presigned("cloudformation")
        _, _, body = ask(server, "POST", elsewhere + query, page, **sneaky)
        assert "ListStackSetsResult" not in body
    status, _, _ = ask(server, "GET", path, {**page, "Host": "evil.example"})
    assert status == 403


def test_a_domain_of_an_api_is_a_host(server: lifecycle.Server) -> None:
    headers = {"Host": "guarded.example.com"}
    assert ask(server, "GET", "/", headers)[0] == 403
    gateway = allowed(server).client("apigateway")
    gateway.create_domain_name(domainName="guarded.example.com")
    assert ask(server, "GET", "/", headers)[0] != 403


def test_a_page_opens_no_web_socket(server: lifecycle.Server) -> None:
    handshake = (
        "GET /mqtt HTTP/1.1\r\nHost: data.iot.us-east-1.amazonaws.com\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: mqtt\r\n{}\r\n"
    )
    for headers, expected in (("", b"101"), (f"Origin: {EVIL}\r\n", b"403")):
        with socket.create_connection(
            ("127.0.0.1", server.port), PATIENCE
        ) as connection:
            connection.sendall(handshake.format(headers).encode())
            assert connection.recv(100).split()[1] == expected
