"""Custom domain of a REST API: certificate parameter, domain, outputs for DNS records.

    certificate = api_domain.certificate(t, description="Certificate for the domain.")
    domain = api_domain.custom_domain(
        t,
        "Domain",
        domain=Ref("DomainName"),
        certificate_arn=certificate,
        api=rest_api,
        when="HasDomain",
    )
    api_domain.domain_outputs(t, domain, "DomainTarget", when="HasDomain")

`dns.alias` takes the outputs in the template with the records.
"""

from __future__ import annotations

from typing import Any

from troposphere import (
    GetAtt,
    Ref,
    Template,
    apigateway,
)

from tapgen.blocks import frame
from tapgen.blocks.api import Api


def certificate(t: Template, *, description: str) -> Ref:
    """Add the parameter for the ARN of the domain's certificate; empty for none."""
    return frame.parameter(
        t,
        "CertificateArn",
        description=description,
        Default="",
        pattern=f"^$|{frame.CERTIFICATE_PATTERN}",
        constraint="the ARN of a certificate, or nothing",
    )


def custom_domain(
    t: Template, title: str, *, domain: Any, certificate_arn: Any, api: Api, when: str
) -> Any:
    """Add a regional custom domain for the API, if the condition `when` is true.

    Every region has the same domain name, so that DNS can move traffic between regions.
    The certificate must be in the stack's own region.
    """
    domain_name = t.add_resource(
        apigateway.DomainName(
            title,
            Condition=when,
            DomainName=domain,
            RegionalCertificateArn=certificate_arn,
            SecurityPolicy="TLS_1_2",
            EndpointConfiguration=apigateway.EndpointConfiguration(Types=["REGIONAL"]),
        )
    )
    t.add_resource(
        apigateway.BasePathMapping(
            f"{title}Mapping",
            Condition=when,
            DomainName=Ref(domain_name),
            RestApiId=Ref(api.rest_api),
            Stage=Ref(api.stage),
        )
    )
    return domain_name


def domain_outputs(t: Template, domain: Any, title: str, *, when: str) -> None:
    """Add the outputs that `dns.alias` takes in another template; names begin with
    `title`."""
    frame.outputs(
        t,
        (
            title,
            GetAtt(domain, "RegionalDomainName"),
            "Host name that DNS records point to",
        ),
        (
            f"{title}Zone",
            GetAtt(domain, "RegionalHostedZoneId"),
            "Hosted zone id of that host, for DNS records",
        ),
        condition=when,
    )
