# SPDX-License-Identifier: Apache-2.0
"""/ca: the page and the root, in both languages, for whoever does not trust the certificate yet."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509

from storage.database.engine import open_database
from storage.database.upgrade import upgrade_database
from storage.settings import Settings
from tests.web.front import Front
from tests.web.tls.test_certificates import make_own
from web.app import application
from web.tls.authority import fingerprint
from web.tls.keeper import CertificateKeeper

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/605"
ANDROID = "Mozilla/5.0 (Linux; Android 16; Pixel) Chrome/156"


@pytest.mark.parametrize(
    ("path", "accepts", "language", "word"),
    [
        ("/ca", "zh-CN", "zh-CN", "下载根证书"),
        ("/ca", "", "zh-CN", "下载根证书"),
        ("/ca", "en-GB", "en", "Download the root certificate"),
        ("/ca?lang=en", "zh-CN", "en", "Download the root certificate"),
        ("/ca?lang=zh-CN", "en", "zh-CN", "下载根证书"),
        ("/ca?lang=<script>", "en", "en", "Download the root certificate"),
    ],
)
async def test_the_page_speaks_the_readers_language(
    front: Front, path: str, accepts: str, language: str, word: str
) -> None:
    reply = await front.browser().get(path, headers={"Accept-Language": accepts})
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f'<html lang="{language}">' in reply.body
    assert word in reply.body
    for other in ("zh-CN", "en"):
        assert f'href="/ca?lang={other}"' in reply.body


async def test_the_page_shows_the_fingerprint_and_steps_for_three_systems(front: Front) -> None:
    page = (await front.browser().get("/ca")).body
    assert front.keeper.root is not None
    assert fingerprint(front.keeper.root) in page
    assert page.count("<li>") == 12
    assert str(front.url.port) in page
    assert "<script" not in page and "style=" not in page and not re.search(r"ca-[a-z]+-\d", page)


@pytest.mark.parametrize(
    ("user_agent", "opened"), [("Windows NT 10.0", "windows"), (ANDROID, "android"), (IPHONE, "ios"), ("", "windows")]
)
async def test_the_readers_own_system_is_open(front: Front, user_agent: str, opened: str) -> None:
    page = (await front.browser().get("/ca", headers={"User-Agent": user_agent})).body
    assert re.findall(r'<details open data-test="ca-(\w+)"', page) == [opened]


async def test_the_root_is_what_signs_the_connection(front: Front, tmp_path: Path) -> None:
    """As a person does it: over a connection not yet trusted, then trusting nothing but what was downloaded."""
    untrusting = ssl.create_default_context()
    untrusting.check_hostname, untrusting.verify_mode = False, ssl.CERT_NONE
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=untrusting)) as http,
        http.get(front.url / "ca" / "root.crt") as response,
    ):
        root = await response.read()
        assert response.headers["Content-Type"] == "application/x-x509-ca-cert"
        assert response.headers["Content-Disposition"] == 'attachment; filename="videohome-root.crt"'
    assert x509.load_pem_x509_certificate(root) == front.keeper.root
    trusting = ssl.create_default_context(cadata=root.decode())
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as http,
        http.get(front.url / "healthz") as response,
    ):
        assert response.status == 200


async def test_with_ones_own_certificate_there_is_nothing_to_install(tmp_path: Path) -> None:
    certificate, key, _ = make_own(tmp_path / "own", tmp_path / "authority")
    settings = Settings(data_dir=tmp_path / "data", tls_certificate=certificate, tls_key=key)
    upgrade_database(settings)
    keeper = CertificateKeeper(settings, hostname="front.test")
    keeper.refresh()
    async with TestClient(TestServer(application(settings, open_database(settings), keeper))) as client:
        page = await (await client.get("/ca", headers={"Accept-Language": "en"})).text()
        assert "nothing to install" in page and "root.crt" not in page
        missing = await client.get("/ca/root.crt")
        assert (missing.status, (await missing.json())["error"]["code"]) == (404, "no_local_root")
