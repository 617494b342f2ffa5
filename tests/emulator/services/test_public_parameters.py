"""Public parameters of AWS have values of the right form, others do not exist."""

from __future__ import annotations

import json
import re

import pytest

from tapgen.emulator.services.patches.public_parameters import listed, value_of

_IMAGE = re.compile(r"ami-[0-9a-f]{17}")


@pytest.mark.parametrize(
    "name",
    [
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
        "/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-x86_64",
        "/aws/service/ami-amazon-linux-latest/amzn2-ami-kernel-5.10-hvm-arm64-gp2",
        "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-ebs",
        "/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-Base",
        "/aws/service/ami-windows-latest/TPM-Windows_Server-2019-English-Core-Base",
        "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
        "/aws/service/ecs/optimized-ami/amazon-linux-2/arm64/recommended/image_id",
        "/aws/service/ecs/optimized-ami/amazon-linux-2/gpu/recommended/image_id",
        "/aws/service/eks/optimized-ami/1.31/amazon-linux-2/recommended/image_id",
        "/aws/service/eks/optimized-ami/1.31/amazon-linux-2023/x86_64/standard"
        "/recommended/image_id",
        "/aws/service/bottlerocket/aws-ecs-2/x86_64/latest/image_id",
        "/aws/service/canonical/ubuntu/server/22.04/stable/current/arm64/hvm/ebs-gp2"
        "/ami-id",
        "/aws/service/canonical/ubuntu/server/jammy/stable/current/amd64/hvm/ebs-gp2"
        "/ami-id",
        "/aws/service/debian/release/12/latest/amd64",
        "/aws/service/freebsd/amd64/base/ufs/14.1/RELEASE",
        "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-amazon-linux"
        "-2023/latest/ami-id",
    ],
)
def test_images_are_those_of_their_region(name: str) -> None:
    here, there = value_of(name, "us-east-1"), value_of(name, "eu-west-1")
    assert here and there and _IMAGE.fullmatch(here) and _IMAGE.fullmatch(there)
    assert here != there and here == value_of(name, "us-east-1")


def test_a_recommended_image_is_a_document() -> None:
    name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended"

    document = json.loads(value_of(name, "us-east-1") or "")

    assert document["image_id"] == value_of(f"{name}/image_id", "us-east-1")


@pytest.mark.parametrize(
    "name",
    [
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-riscv",
        "/aws/service/ecs/optimized-ami/amazon-linux-9/recommended/image_id",
        "/aws/service/nothing",
        "/my/parameter",
    ],
)
def test_other_names_do_not_exist(name: str) -> None:
    assert value_of(name, "us-east-1") is None


def test_what_is_listed_has_a_value() -> None:
    names = listed("/aws/service", True)

    assert all(value_of(name, "us-east-1") for name in names)
    regions = listed("/aws/service/global-infrastructure/regions", False)
    assert "/aws/service/global-infrastructure/regions/eu-west-1" in regions
    assert listed("/aws/service", False) == []
