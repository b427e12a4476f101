"""A server that speaks S3, on loopback, and its control by boto3 as another program would have it."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "corpus"
READ = ["s3:GetObject", "s3:ListBucket", "s3:HeadObject"]


@dataclass(frozen=True)
class Bucket:
    """One bucket of the server at `endpoint`."""

    endpoint: str

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}"

    def client(self, service: str = "s3") -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def put(self, key: str, data: bytes) -> None:
        self.client().put_object(Bucket=BUCKET, Key=key, Body=data)

    def get(self, key: str) -> bytes:
        data: bytes = self.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sorted(one["Key"] for page in pages for one in page.get("Contents", ()))

    def user(self, actions: list[str]) -> tuple[str, str]:
        """The keys of somebody who may do nothing but these; from now on the server asks who is calling."""
        iam = self.client("iam")
        iam.create_user(UserName="somebody")
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}] if actions else [],
        }
        if actions:
            iam.put_user_policy(UserName="somebody", PolicyName="some", PolicyDocument=json.dumps(document))
        keys = iam.create_access_key(UserName="somebody")["AccessKey"]
        self.control("reset-auth", b"0")
        return keys["AccessKeyId"], keys["SecretAccessKey"]

    def control(self, what: str, data: bytes = b"") -> None:
        kind = {"Content-Type": "text/plain"}  # else it is taken for a form, and empty
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/moto-api/{what}", data, kind)).close()


def start() -> tuple[ThreadedMotoServer, str]:
    """A running server and its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return server, f"http://{host}:{port}"
