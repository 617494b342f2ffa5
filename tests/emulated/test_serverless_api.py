"""serverless_api as shipped, on the embedded AWS: its requests, its pages, its life."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tapgen import blueprints, config, plan
from tapgen.aws import retained
from tapgen.blueprints.serverless_api import website
from tapgen.emulator.server import lifecycle
from tapgen.model import System
from tests.emulated import browser
from tests.emulated.before import before, losses
from tests.emulated.conftest import Cloud
from tests.emulated.live import UNSIGNED, Live
from tests.emulated.walks import WAYS, Walk
from tests.systems import look

REGIONS = ("source", "target")
OTHER = {"source": "target", "target": "source"}


@pytest.fixture(scope="module")
def live(server: lifecycle.Server) -> Live:
    """The shipped file, rolled out once for all tests here."""
    deployed = Live(Cloud(server.url, UNSIGNED), look.shipped("serverless_api"))
    assert deployed.rollout().green
    return deployed


def soon(found: Callable[[], Any]) -> Any:
    """What is found within a few seconds: copies arrive a moment later."""
    deadline = time.monotonic() + 60
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


def test_everything_is_current_and_a_second_time_plans_nothing(live: Live) -> None:
    assert live.cloud.statuses(live.system) == {"CURRENT"}
    assert not live.cloud.plan(live.system)
    regions = {t.region for s in live.system.stack_sets for t in s.targets}
    assert regions == {"us-east-1", "us-west-2"}


@pytest.mark.parametrize("role", REGIONS)
def test_what_is_posted_in_a_region_is_got_in_both(live: Live, role: str) -> None:
    name = f"tea of {role}"
    status, made = live.ask(role, "POST", "/items", {"name": name, "value": 1.5})
    assert (status, made["value"]) == (201, 1.5)
    assert made["region"] == live.system.regions[role]
    for asked in (role, OTHER[role]):
        path = f"/items/{made['id']}"
        assert soon(lambda: live.ask(asked, "GET", path)[0] == 200)
        assert live.ask(asked, "GET", path) == (200, made)
        query = f"/items?name={name.replace(' ', '%20')}"
        assert live.ask(asked, "GET", query) == (200, {"items": [made]})


@pytest.mark.parametrize("role", REGIONS)
def test_what_an_api_takes_is_in_the_table_of_the_other_region(
    live: Live, role: str
) -> None:
    _, made = live.ask(role, "POST", "/items", {"name": "milk"})
    table = live.outputs("table", "source")["TableName"]
    client = live.client("dynamodb", OTHER[role])
    key = {"id": {"S": made["id"]}}
    found = soon(lambda: client.get_item(TableName=table, Key=key).get("Item"))
    assert found["name"] == {"S": "milk"}
    assert found["region"] == {"S": live.system.regions[role]}


@pytest.mark.parametrize("role", REGIONS)
def test_requests_are_refused_with_a_reason(live: Live, role: str) -> None:
    status, told = live.ask(role, "POST", "/items", {"nam": "tea"})
    assert (status, told["message"]) == (400, "name is missing; give a text")
    assert live.ask(role, "GET", "/items/nothing")[0] == 404
    assert live.ask(role, "DELETE", "/items")[0] == 403  # no such route


@pytest.mark.parametrize("role", REGIONS)
def test_the_website_may_call_the_api_from_a_browser(live: Live, role: str) -> None:
    """What a browser does: a preflight request, then the request itself."""
    outputs = live.outputs("api", role)
    page = live.outputs("website", "source")["WebsiteUrl"]
    stage = f"restapis/{outputs['ApiId']}/{outputs['StageName']}/_user_request_"

    def sent(origin: str, method: str, path: str) -> Any:
        request = Request(f"{live.cloud.url}/{stage}{path}", method=method)
        request.add_header("Origin", origin)
        request.add_header("Access-Control-Request-Method", "POST")
        try:
            with urlopen(request) as answer:
                return answer.status, answer.headers
        except HTTPError as error:
            with error:
                return error.code, error.headers

    status, headers = sent(page, "OPTIONS", "/items")
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, page)
    assert "POST" in headers["Access-Control-Allow-Methods"]
    status, headers = sent(page, "GET", "/items/nothing")
    assert (status, headers["Access-Control-Allow-Origin"]) == (404, page)
    # API Gateway's own errors, too.
    status, headers = sent(page, "DELETE", "/items")
    assert (status, headers["Access-Control-Allow-Origin"]) == (403, page)
    for method in ("OPTIONS", "GET"):
        _, headers = sent("https://evil.example", method, "/items/nothing")
        assert headers["Access-Control-Allow-Origin"] is None


PAGE = """<!doctype html><pre id="out"></pre>
<script>
const api = "API", heard = [];
async function ask(method, path, body) {
  const headers = body ? {"Content-Type": "application/json"} : {};
  try {
    const answer = await fetch(api + path, {method, headers, body});
    const said = (await answer.json()).message || "";
    heard.push([method, path.split("?")[0], answer.status, said].join(" ").trim());
  } catch { heard.push([method, path, "unreadable"].join(" ")); }
}
const index = INDEX;
const asked = uri => index({request: {uri, querystring: {q: {value: "1"}}}});
(async () => {
  await ask("POST", "/items", JSON.stringify({name: "tea"}));
  await ask("GET", "/items?name=tea");
  await ask("POST", "/items", "{}");
  await ask("GET", "/nothing");
  await ask("DELETE", "/items");
  heard.push(asked("/docs/").uri, asked("/a.css").uri);
  heard.push(asked("//evil.example/docs").headers.location.value);
  document.getElementById("out").textContent = heard.join("\\n");
})();
</script>"""


@pytest.mark.browser
@pytest.mark.skipif(
    browser.find() is None, reason="no browser: install chromium, or set BROWSER"
)
def test_a_page_of_the_website_calls_the_api_in_a_real_browser(
    live: Live, tmp_path: Path
) -> None:
    """Preflight requests are the browser's; so is who may read which answer."""
    outputs = live.outputs("api", "target")
    stage = f"restapis/{outputs['ApiId']}/{outputs['StageName']}/_user_request_"
    page = PAGE.replace("API", f"{live.cloud.url}/{stage}", 1)
    page = page.replace("INDEX", website.INDEX_DOCUMENTS, 1)
    site = live.outputs("website", "source")
    live.client("s3", "source").put_object(
        Bucket=site["BucketName"],
        Key="calls.html",
        Body=page.encode(),
        ContentType="text/html",
    )
    heard = browser.show(f"{site['WebsiteUrl']}/calls.html", live.cloud.url, tmp_path)
    assert heard.splitlines() == [
        "POST /items 201",
        "GET /items 200",
        "POST /items 400 name is missing; give a text",
        # API Gateway's own answer.
        "GET /nothing 403 Missing Authentication Token",
        # The preflight allows no such method.
        "DELETE /items unreadable",
        # What CloudFront makes of paths, in a second engine of JavaScript.
        *("/docs/index.html", "/a.css", "/evil.example/docs/?q=1"),
    ]


@pytest.mark.parametrize("role", REGIONS)
def test_the_health_check_asks_for_what_answers(live: Live, role: str) -> None:
    output = "HealthCheckId" if role == "source" else "TargetHealthCheckId"
    check = live.client("route53", "source").get_health_check(
        HealthCheckId=live.outputs("edge", "source")[output]
    )
    probe = check["HealthCheck"]["HealthCheckConfig"]
    outputs = live.outputs("api", role)
    assert probe["FullyQualifiedDomainName"] == outputs["ApiHost"]
    assert probe["ResourcePath"] == outputs["HealthPath"]
    stage, path = probe["ResourcePath"].removeprefix("/").split("/", 1)
    assert stage == outputs["StageName"]
    answer = (200, {"status": "ok", "region": live.system.regions[role]})
    assert live.ask(role, "GET", f"/{path}") == answer
    # Others ask elsewhere, and use up nothing of this.
    assert live.ask(role, "GET", "/health") == answer


def test_a_page_put_into_the_source_appears_in_the_target(live: Live) -> None:
    source = live.outputs("website", "source")["BucketName"]
    target = live.outputs("website-target", "target")["BucketName"]
    page = {"Body": b"<h1>Hello</h1>", "ContentType": "text/html"}
    live.client("s3", "source").put_object(Bucket=source, Key="index.html", **page)
    client = live.client("s3", "target")

    def copied() -> Any:
        listed = client.list_objects_v2(Bucket=target, Prefix="index.html")
        return listed.get("Contents")

    assert soon(copied)
    copy = client.get_object(Bucket=target, Key="index.html")
    assert copy["Body"].read() == page["Body"]
    assert copy["ContentType"] == "text/html"
    website = client.get_bucket_website(Bucket=target)
    assert website["IndexDocument"] == {"Suffix": "index.html"}


def test_the_table_is_restorable_and_encrypted_in_both_regions(live: Live) -> None:
    table = live.outputs("table", "source")["TableName"]
    for role in REGIONS:
        client = live.client("dynamodb", role)
        backups = client.describe_continuous_backups(TableName=table)
        recovery = backups["ContinuousBackupsDescription"]
        recovery = recovery["PointInTimeRecoveryDescription"]
        assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
        assert client.describe_table(TableName=table)["Table"]["StreamSpecification"]


# --- Changes, and a second environment in the same account and regions ------------------


def changed(live: Live, suffix: str = "prod", **settings: Any) -> Live:
    """The shipped system under a suffix, with some settings changed."""
    path = look.ROOT / "stacksets" / "serverless_api.yaml"
    loaded = config.load(path, blueprints.find)
    checked = look.changed(loaded, settings)
    # An account logs by one role in a region: a second environment finds it there.
    baseline = "create" if suffix == loaded.suffix else "existing"
    loaded = replace(loaded, suffix=suffix, settings=checked, account_baseline=baseline)
    return Live(live.cloud, look.built(loaded))


def domain(live: Live) -> dict[str, Any]:
    """The setting of a domain, in a hosted zone of its own."""
    zone = live.client("route53", "source").create_hosted_zone(
        Name="example.com", CallerReference=str(time.monotonic_ns())
    )
    return {
        "name": "api.example.com",
        "hosted_zone_id": zone["HostedZone"]["Id"].rpartition("/")[2],
        "certificates": {
            role: f"arn:aws:acm:{region}:{UNSIGNED}:certificate/1234abcd"
            for role, region in live.system.regions.items()
        },
        "blue_weight": 90,
        "green_weight": 10,
    }


def user(live: Live) -> tuple[str, str]:
    """A user pool, and the ID token of a user who has signed in."""
    cognito = live.client("cognito-idp", "source")
    pool = cognito.create_user_pool(PoolName="callers")["UserPool"]
    flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
    named = {"UserPoolId": pool["Id"]}
    app = cognito.create_user_pool_client(
        **named, ClientName="page", ExplicitAuthFlows=flows
    )["UserPoolClient"]["ClientId"]
    login = {"USERNAME": "ann", "PASSWORD": "Correct-horse-1"}
    cognito.admin_create_user(**named, Username=login["USERNAME"])
    cognito.admin_set_user_password(
        **named, Username="ann", Password=login["PASSWORD"], Permanent=True
    )
    answer = cognito.admin_initiate_auth(
        **named,
        ClientId=app,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters=login,
    )
    return pool["Arn"], answer["AuthenticationResult"]["IdToken"]


def leftover(kept: list[retained.RetainedResource]) -> retained.RetainedResource:
    """The table among what a template retains."""
    (found,) = (left for left in kept if left.type == "AWS::DynamoDB::GlobalTable")
    return found


def records(live: Live, system: System) -> dict[str, int]:
    zone = system.part("edge").parameters["HostedZoneId"]
    found = live.client("route53", "source").list_resource_record_sets(
        HostedZoneId=zone
    )
    return {
        r["SetIdentifier"]: r["Weight"]
        for r in found["ResourceRecordSets"]
        if "SetIdentifier" in r
    }


def test_a_second_suffix_lives_beside_it_takes_changes_and_goes(live: Live) -> None:
    """It begins with the templates of before: its first change is an upgrade."""
    two = changed(live, "two")
    then = Live(two.cloud, before(two.system))
    assert then.rollout(unbounded=True).green
    assert not then.cloud.plan(then.system)
    upgrade = two.cloud.plan(two.system)
    changing = {step.part for step in upgrade.steps}
    assert changing >= {"roles", "api"}
    assert plan.refusals(upgrade) == [] and losses(upgrade) == set()
    # Neither sees what the other has.
    _, made = two.ask("source", "POST", "/items", {"name": "only two"})
    assert live.ask("source", "GET", f"/items/{made['id']}")[0] == 404
    assert not live.cloud.plan(live.system)

    settings = {"website": "cloudfront", "domain": domain(live), "memory_mib": 512}
    settings["website_domain"] = {
        "name": "www.example.com",
        "hosted_zone_id": settings["domain"]["hosted_zone_id"],
        "certificate": settings["domain"]["certificates"]["source"],
    }
    pool, token = user(live)
    settings |= {"authorizer": "cognito", "user_pools": [pool]}
    two = changed(live, "two", deletion_protection=False, **settings)
    table = then.outputs("table", "source")["TableName"]
    assert two.rollout(unbounded=True).green
    assert not two.cloud.plan(two.system)
    function = two.outputs("api", "target")["FunctionName"]
    served = two.client("lambda", "target").get_function_configuration(
        FunctionName=function, Qualifier="live"
    )
    # The alias has the change, too: a new version was published for it.
    assert (served["MemorySize"], served["Version"]) == (512, "2")
    assert two.ask("target", "GET", f"/items/{made['id']}")[0] == 401
    assert two.ask("target", "GET", f"/items/{made['id']}", token=token)[0] == 200
    assert two.ask("target", "GET", "/health")[0] == 200
    assert two.outputs("cdn", "source")["WebsiteUrl"] == "https://www.example.com"
    assert records(live, two.system) == {"blue": 90, "green": 10}
    assert two.shift("dns", "green", 50).green
    assert records(live, two.system) == {"blue": 50, "green": 50}
    bucket = two.outputs("website", "source")["BucketName"]
    s3 = two.client("s3", "source")
    access = s3.get_public_access_block(Bucket=bucket)
    assert set(access["PublicAccessBlockConfiguration"].values()) == {True}

    observed = two.cloud.observe(two.system)
    assert two.outputs("table", "source")["TableName"] == table
    kept = retained.find(two.cloud.aws, observed)
    gone = plan.destroy(two.system.resolve(UNSIGNED), observed)
    assert two.cloud.run(gone).green
    assert two.cloud.observe(two.system) == {}
    # What holds data stays until that is asked for, too, and then goes in both regions.
    assert s3.head_bucket(Bucket=bucket)
    assert retained.delete(two.cloud.aws, leftover(kept)) == "deleted"
    for role in REGIONS:
        assert table not in two.client("dynamodb", role).list_tables()["TableNames"]
    # The first environment does not notice; its table would even be protected.
    first = retained.find(live.cloud.aws, live.cloud.observe(live.system))
    assert "protection is on" in retained.delete(live.cloud.aws, leftover(first))
    assert live.cloud.statuses(live.system) == {"CURRENT"}
    assert live.ask("source", "GET", "/health")[0] == 200


def test_a_canary_gets_the_new_version_and_the_others_keep_theirs(
    live: Live,
) -> None:
    stable = {
        role: {"version": live.outputs("api", role)["FunctionVersion"]}
        for role in REGIONS
    }
    canary = {"percent": 100, "stable": stable}
    jwt = {"issuer": "https://login.example.com", "audiences": ["items"]}
    with_canary = changed(
        live, memory_mib=512, canary=canary, authorizer="jwt", jwt=jwt
    )
    function = live.outputs("api", "source")["FunctionName"]
    client = live.client("lambda", "source")

    def version(alias: str) -> str:
        found = client.get_alias(FunctionName=function, Name=alias)
        return str(found["FunctionVersion"])

    before = version("live")
    assert with_canary.rollout().green
    assert (version("live"), version("canary")) == (before, str(int(before) + 1))
    outputs = with_canary.outputs("api", "source")
    stage = live.client("apigateway", "source").get_stage(
        restApiId=outputs["ApiId"], stageName=outputs["StageName"]
    )
    assert stage["canarySettings"]["deploymentId"] != stage["deploymentId"]
    assert float(stage["canarySettings"]["percentTraffic"]) == 100
    assert with_canary.shift("canary", "stable", 75, role="source").green
    stage = live.client("apigateway", "source").get_stage(
        restApiId=outputs["ApiId"], stageName=outputs["StageName"]
    )
    assert float(stage["canarySettings"]["percentTraffic"]) == 25
    (line,) = with_canary.unpersisted()
    assert "canary 25, stable 75, not as its stack says (canary 100)" in line
    assert with_canary.ask("source", "GET", "/health")[0] == 200
    # Who has no token of the issuer is told so; that needs no keys.
    header, claims = (
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=")
        for each in ({"alg": "RS256", "kid": "one"}, {"iss": "https://evil.example"})
    )
    for token in ("", "nothing", f"Bearer {header}.{claims}.AAAA"):
        assert with_canary.ask("source", "GET", "/items/1", token=token)[0] == 401
    # Promoted, and then the file is brought in line: the rollout moves nothing back.
    assert with_canary.shift("canary", "canary", role="source").green
    assert version("live") == version("canary") == str(int(before) + 1)
    (line,) = with_canary.unpersisted()
    assert f"version {version('live')}, not as its stack says" in line
    promoted = changed(live, memory_mib=512)
    assert promoted.rollout().green
    assert version("live") == version("canary") == str(int(before) + 1)
    assert promoted.ask("source", "GET", "/health")[0] == 200
    assert not promoted.cloud.plan(promoted.system)


def test_a_short_walk_loses_nothing_and_always_goes_on(
    live: Live, server: lifecycle.Server
) -> None:
    """The last test here: the settings are others afterwards. `make soak` walks far."""
    brief = WAYS["serverless_api"].brief("website", "memory_mib", "authorizer")
    walk = Walk(live.cloud, server.folder, brief, seed=1)
    walk.begin()
    walk.step()
