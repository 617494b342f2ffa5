"""Custom domains of REST APIs, and the outputs that DNS records take."""

from __future__ import annotations

import re

from troposphere import Ref, Template

from tapgen.blocks import api_domain, dns
from tests.unit.blocks.test_api import built


def test_a_domain_is_regional_with_modern_tls() -> None:
    t, made_api = built()
    t.add_condition("HasDomain", {"Fn::Equals": ["a", "a"]})
    api_domain.custom_domain(
        t,
        "Domain",
        domain=Ref("DomainName"),
        certificate_arn=Ref("CertificateArn"),
        api=made_api,
        when="HasDomain",
    )
    found = t.to_dict()["Resources"]
    assert found["Domain"]["Properties"]["SecurityPolicy"] == "TLS_1_2"
    assert found["DomainMapping"]["Properties"]["Stage"] == {"Ref": "ApiStage"}
    assert {found[k]["Condition"] for k in ("Domain", "DomainMapping")} == {"HasDomain"}


def test_records_take_what_the_domains_of_both_regions_give() -> None:
    t, made_api = built()
    certificate = api_domain.certificate(t, description="d")
    domain = api_domain.custom_domain(
        t,
        "Domain",
        domain="api.example.com",
        certificate_arn=certificate,
        api=made_api,
        when="HasDomain",
    )
    api_domain.domain_outputs(t, domain, "DomainTarget", when="HasDomain")
    outputs = t.to_dict()["Outputs"]
    assert {o["Condition"] for o in outputs.values()} == {"HasDomain"}
    records = Template()
    dns.alias(records, "dr")
    assert set(records.to_dict()["Parameters"]) == {f"Dr{name}" for name in outputs}
    # Where there is no domain there is nothing to point at, nor a certificate.
    for parameter in (
        *records.to_dict()["Parameters"].values(),
        t.to_dict()["Parameters"]["CertificateArn"],
    ):
        assert parameter["Default"] == ""
        assert re.search(parameter["AllowedPattern"], "")
