# SPDX-License-Identifier: Apache-2.0
"""The local authority and the certificate of the HTTPS port: chain, names, renewal, a certificate of one's own."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from storage.settings import Settings
from web.tls import authority as ca
from web.tls import keeper
from web.tls.keeper import RENEW_DAYS, CertificateFault, CertificateKeeper

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class Machine:
    """A machine whose addresses, names and time a test changes."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.settings = Settings(data_dir=folder, **settings)
        self.addresses = ["192.0.2.10"]
        self.now = NOW
        self.keeper = self.keep()

    def keep(self) -> CertificateKeeper:
        return CertificateKeeper(
            self.settings, hostname="Station-PC", addresses=lambda: self.addresses, now=lambda: self.now
        )

    @property
    def folder(self) -> Path:
        return self.settings.data_dir / "tls"

    def served(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / "server.crt").read_bytes())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "data", names=["video.yongan.example", "调解.example"])


def test_the_first_start_makes_root_and_certificate(machine: Machine) -> None:
    assert machine.keeper.refresh() is True
    modes = {path.name: path.stat().st_mode & 0o777 for path in machine.folder.iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "server.crt": 0o644, "server.key": 0o600}
    assert machine.folder.stat().st_mode & 0o777 == 0o700
    root, served = machine.keeper.root, machine.served()
    assert root is not None
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    assert root.not_valid_after_utc - NOW > 3648 * DAY
    assert served.not_valid_after_utc - served.not_valid_before_utc == ca.SERVER_DAYS * DAY
    assert served.not_valid_before_utc < NOW
    assert {"192.0.2.10", "127.0.0.1", "::1", "localhost", "station-pc", "video.yongan.example"} <= set(
        ca.names_in(served)
    )
    assert any(name.startswith("xn--") for name in ca.names_in(served))


def test_nothing_changes_while_nothing_changes(machine: Machine) -> None:
    machine.keeper.refresh()
    before = machine.served()
    assert machine.keeper.refresh() is False
    machine.now += 60 * DAY
    assert machine.keep().refresh() is True, "a new start loads the certificate that is there"
    assert machine.served() == before


def test_another_address_renews_under_the_same_root(machine: Machine) -> None:
    machine.keeper.refresh()
    before, root = machine.served(), machine.keeper.root
    machine.addresses = ["192.0.2.99"]
    assert machine.keeper.refresh() is True
    assert machine.served() != before
    assert "192.0.2.99" in machine.keeper.names()
    assert "192.0.2.10" not in machine.keeper.names()
    assert machine.keeper.root == root


def test_it_renews_with_less_than_30_days_left(machine: Machine) -> None:
    machine.keeper.refresh()
    before = machine.served()
    machine.now = before.not_valid_after_utc - RENEW_DAYS * DAY
    assert machine.keeper.refresh() is False
    machine.now += timedelta(seconds=1)
    assert machine.keeper.refresh() is True
    assert machine.served().not_valid_after_utc > before.not_valid_after_utc + 360 * DAY


def test_a_clock_that_was_wrong_is_no_trap(machine: Machine) -> None:
    machine.now = NOW + 4000 * DAY
    machine.keeper.refresh()
    machine.now = NOW
    machine.keeper.refresh()
    assert machine.served().not_valid_before_utc <= NOW


@pytest.mark.parametrize("damage", ["server.crt", "server.key"])
def test_a_lost_or_broken_server_file_is_made_anew(machine: Machine, damage: str) -> None:
    machine.keeper.refresh()
    (machine.folder / damage).write_bytes(b"broken")
    assert machine.keep().refresh() is True
    (machine.folder / damage).unlink()
    assert machine.keep().refresh() is True


@pytest.mark.parametrize("damage", ["ca.crt", "ca.key"])
def test_a_broken_root_is_never_replaced_silently(machine: Machine, damage: str) -> None:
    machine.keeper.refresh()
    (machine.folder / damage).write_bytes(b"broken")
    with pytest.raises(CertificateFault, match=r"ca\.key back from a backup"):
        machine.keep().refresh()


def test_a_root_of_another_key_is_refused(machine: Machine, tmp_path: Path) -> None:
    machine.keeper.refresh()
    other = Machine(tmp_path / "other")
    other.keeper.refresh()
    (machine.folder / "ca.key").write_bytes((other.folder / "ca.key").read_bytes())
    with pytest.raises(CertificateFault):
        machine.keep().refresh()


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["Video.Example.", " video.example"], ["video.example"]),
        (["my_pc", "", "a b", "-x", "x" * 64], []),
        (["[2001:db8::1]", "2001:DB8:0::1"], ["2001:db8::1"]),
    ],
)
def test_only_what_can_stand_in_a_certificate_is_put_in(names: list[str], kept: list[str]) -> None:
    assert ca.certifiable(names) == kept


def test_the_fingerprint_reads_like_a_phone_shows_it(machine: Machine) -> None:
    machine.keeper.refresh()
    assert machine.keeper.root is not None
    pairs = ca.fingerprint(machine.keeper.root).split(":")
    assert len(pairs) == 32
    assert all(len(pair) == 2 and pair == pair.upper() for pair in pairs)


# Over a real connection


async def served_to(kept: CertificateKeeper, root: Path, name: str) -> bytes:
    """Certificate (DER) that a client gets which trusts only `root` and connects to `name`."""
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=kept.front_context())
    port = server.sockets[0].getsockname()[1]
    try:
        return await connect(port, root, name)
    finally:
        server.close()
        await server.wait_closed()


async def connect(port: int, root: Path, name: str) -> bytes:
    context = ssl.create_default_context(cafile=str(root))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return found


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "192.0.2.10", "station-pc", "video.yongan.example"])
async def test_the_chain_verifies_with_the_root_under_every_name(machine: Machine, name: str) -> None:
    machine.keeper.refresh()
    got = await served_to(machine.keeper, machine.folder / "ca.crt", name)
    assert got == machine.served().public_bytes(serialization.Encoding.DER)


async def test_a_foreign_name_and_a_foreign_root_do_not_verify(machine: Machine, tmp_path: Path) -> None:
    machine.keeper.refresh()
    other = Machine(tmp_path / "other")
    other.keeper.refresh()
    with pytest.raises(ssl.SSLCertVerificationError):
        await served_to(machine.keeper, machine.folder / "ca.crt", "elsewhere.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        await served_to(machine.keeper, other.folder / "ca.crt", "localhost")


async def test_new_connections_get_the_new_certificate_and_old_ones_go_on(machine: Machine) -> None:
    machine.keeper.refresh()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=machine.keeper.front_context())
    port, root = server.sockets[0].getsockname()[1], machine.folder / "ca.crt"
    context = ssl.create_default_context(cafile=str(root))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="127.0.0.1")
    first = await connect(port, root, "127.0.0.1")
    machine.addresses = ["192.0.2.99"]
    machine.keeper.refresh()
    second = await connect(port, root, "192.0.2.99")
    assert first != second
    assert second == machine.served().public_bytes(serialization.Encoding.DER)
    writer.write(b"still here\n")
    assert await reader.readline() == b"still here\n"
    writer.close()
    server.close()
    await server.wait_closed()


async def test_old_versions_of_tls_are_refused(machine: Machine) -> None:
    machine.keeper.refresh()
    assert machine.keeper.front_context().minimum_version >= ssl.TLSVersion.TLSv1_2


# A certificate of one's own


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Path, Path]:
    """(certificate, key, root) from another authority."""
    return make_own(tmp_path / "own", tmp_path / "authority")


def make_own(folder: Path, authority_folder: Path, now: datetime = NOW) -> tuple[Path, Path, Path]:
    folder.mkdir(exist_ok=True)
    authority = ca.ensure_authority(authority_folder, now)
    certificate, key = ca.issue(authority, ["video.example"], now)
    (folder / "own.crt").write_bytes(certificate)
    (folder / "own.key").write_bytes(key)
    return folder / "own.crt", folder / "own.key", authority_folder / "ca.crt"


async def test_ones_own_certificate_is_served_and_read_again_when_it_changes(
    tmp_path: Path, own: tuple[Path, Path, Path]
) -> None:
    certificate, key, root = own
    machine = Machine(tmp_path / "data", tls_certificate=certificate, tls_key=key)
    assert machine.keeper.refresh() is True
    assert (machine.keeper.root, machine.folder.exists()) == (None, False)
    first = await served_to(machine.keeper, root, "video.example")
    assert machine.keeper.refresh() is False
    make_own(tmp_path / "own", tmp_path / "authority", NOW + DAY)
    os.utime(certificate, ns=(1, 1))  # a copy may carry any time: another one is a change
    assert machine.keeper.refresh() is True
    assert await served_to(machine.keeper, root, "video.example") != first


async def test_a_new_certificate_that_does_not_fit_leaves_the_old_one_in_use(
    tmp_path: Path, own: tuple[Path, Path, Path]
) -> None:
    certificate, key, root = own
    machine = Machine(tmp_path / "data", tls_certificate=certificate, tls_key=key)
    machine.keeper.refresh()
    first = await served_to(machine.keeper, root, "video.example")
    old_key = key.read_bytes()
    make_own(tmp_path / "own", tmp_path / "authority", NOW + DAY)
    new_key = key.read_bytes()
    key.write_bytes(old_key)
    with pytest.raises(CertificateFault, match="does not belong to the certificate"):
        machine.keeper.refresh()
    assert await served_to(machine.keeper, root, "video.example") == first
    key.write_bytes(new_key)
    assert machine.keeper.refresh() is True


async def test_the_running_program_looks_by_itself_and_keeps_the_reason_of_a_fault(
    tmp_path: Path, own: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "CHECK_EVERY_S", 0.01)
    certificate, key, root = own
    machine = Machine(tmp_path / "data", tls_certificate=certificate, tls_key=key)
    machine.keeper.refresh()
    first, good_key = machine.keeper.certificate, key.read_bytes()
    watching = asyncio.create_task(machine.keeper.watch())

    async def until(happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not happened():
                await asyncio.sleep(0.01)

    key.write_bytes(b"half written")
    await until(lambda: machine.keeper.fault is not None)
    assert str(key) in str(machine.keeper.fault)
    key.write_bytes(good_key)
    await until(lambda: machine.keeper.fault is None)
    make_own(tmp_path / "own", tmp_path / "authority", NOW + DAY)
    await until(lambda: machine.keeper.certificate != first and machine.keeper.fault is None)
    assert await served_to(machine.keeper, root, "video.example")
    watching.cancel()


def test_every_way_not_to_fit_has_one_sentence(tmp_path: Path, own: tuple[Path, Path, Path]) -> None:
    certificate, key, _ = own
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    locked, nonsense = tmp_path / "locked.key", tmp_path / "nonsense.pem"
    locked.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    nonsense.write_bytes(b"nonsense")
    gone = tmp_path / "gone.pem"
    sentences = {}
    for name, pair in {
        "half": (certificate, None),
        "other half": (None, key),
        "gone": (gone, key),
        "gone key": (certificate, gone),
        "nonsense": (nonsense, key),
        "nonsense key": (certificate, nonsense),
        "locked": (certificate, locked),
    }.items():
        machine = Machine(tmp_path / "data", tls_certificate=pair[0], tls_key=pair[1])
        with pytest.raises(CertificateFault) as fault:
            machine.keeper.refresh()
        sentences[name] = str(fault.value)
    assert "both" in sentences["half"] and sentences["half"] == sentences["other half"]
    assert str(gone) in sentences["gone"] and str(gone) in sentences["gone key"]
    assert "PEM" in sentences["nonsense"] and "PEM" in sentences["nonsense key"]
    assert "passphrase" in sentences["locked"]
    assert all("\n" not in sentence and sentence.endswith(".") for sentence in sentences.values())
