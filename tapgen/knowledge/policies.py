"""Where policies stand, what attaches them, and which conditions limit nobody."""

from __future__ import annotations

OPEN_TO_ALL: dict[str, frozenset[str]] = {
    key.lower(): frozenset(values)
    for key, values in {
        # What every caller chooses freely. Amazon S3 user guide, "Blocking public access
        # to your Amazon S3 storage", "The meaning of public", lists the keys that limit;
        # IAM user guide, "AWS global condition context keys", warns of the last two.
        "aws:CurrentTime": (),
        "aws:EpochTime": (),
        "aws:RequestedRegion": (),
        "aws:SecureTransport": (),
        "aws:Referer": (),
        "aws:UserAgent": (),
        "s3:TlsVersion": (),
        "s3:delimiter": (),
        "s3:max-keys": (),
        "s3:prefix": (),
        "s3:x-amz-acl": (),
        "s3:x-amz-content-sha256": (),
        "s3:x-amz-server-side-encryption": (),
        # Lambda developer guide, "Control access to Lambda function URLs": NONE admits
        # callers without a signature.
        "lambda:FunctionUrlAuthType": ("none",),
        "lambda:InvokedViaFunctionUrl": (),
    }.items()
}
"""Key of a condition → its values that limit nobody, none for any value."""
