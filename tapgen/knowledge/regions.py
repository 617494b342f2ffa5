"""Regions that every account can use.

Source: "Enable or disable AWS Regions in your account" (AWS Account Management reference
guide): regions introduced after March 20, 2019 are disabled by default, the others are
enabled and cannot be disabled.
"""

from __future__ import annotations

from collections.abc import Mapping

ALWAYS_ENABLED: Mapping[str, tuple[str, ...]] = {
    "aws": (
        *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1"),
        *("ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1"),
        *("eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1"),
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
    ),
    "aws-cn": ("cn-north-1", "cn-northwest-1"),
    "aws-us-gov": ("us-gov-east-1", "us-gov-west-1"),
}
"""Partition -> its regions that need not be enabled first."""
