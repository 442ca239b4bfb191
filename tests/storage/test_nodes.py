# SPDX-License-Identifier: Apache-2.0
"""Where nodes are, and the file by which a machine becomes one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from storage.cli import node_join
from storage.node_bundle import GOOD_FOR_S, SHARED_KEYS, Bundle, BundleRefused, install, new_secret, pack, unpack
from storage.nodes import MOST_NODES, NODE_FILES, node_id, read_place, read_places
from storage.settings import Settings

FILES = {f"node/{name}": b"n" for name in NODE_FILES} | {f"secrets/{name}": name.encode() for name in SHARED_KEYS}
BUNDLE = Bundle("east", "default", 1_000_000, FILES)
SECRET = "ABCD-EFGH-IJKL-MNOP-QRST-UVWX"


# ---- places ----


def test_every_worker_has_two_ports_of_its_own() -> None:
    place = read_place("east", "10.0.0.2:7900/3")
    doors = [port for worker in range(3) for port in (place.media_port(worker), place.recorder_port(worker))]
    assert doors == list(place.ports) == [7900, 7901, 7902, 7903, 7904, 7905]
    assert [node_id("east", worker) for worker in range(2)] == ["east/0", "east/1"]
    assert read_place("east", "[fd00::2]:7900").host == "fd00::2"
    assert read_place("east", "media-2.county.test:7900").workers == 1


@pytest.mark.parametrize(
    "text",
    ["10.0.0.2", "10.0.0.2:", ":7900", "h:7900/", "h:7900/0", "h:7900/17", "h:0", "h:65535", "h:65534/2", "a b:7900"],
)
def test_places_that_cannot_be(text: str) -> None:
    with pytest.raises(ValueError):
        read_place("east", text)


def test_the_last_ports_and_the_most_workers_are_taken() -> None:
    assert read_place("east", "h:65534").ports[-1] == 65_535
    assert read_place("east", "h:65504/16").ports[-1] == 65_535


def test_how_many_nodes_there_can_be() -> None:
    nodes = {f"n{number}": "h:7900" for number in range(MOST_NODES)}
    assert len(read_places(nodes)) == MOST_NODES
    with pytest.raises(ValueError, match="there can be 16"):
        read_places({**nodes, "one-more": "h:7900"})
    for name in ("East", "1east", "", "a" * 32, "a/b"):
        with pytest.raises(ValueError, match="no name of a node"):
            read_places({name: "h:7900"})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"nodes": {"east": "h:7900"}}, "need s3_endpoint"),
        ({"node_name": "east"}, "need s3_endpoint"),
        ({"node_name": "east", "nodes": {"west": "h:7900"}, "s3_endpoint": "s:1"}, "no nodes of its own"),
        ({"node_name": "East", "s3_endpoint": "s:1"}, "small letters"),
        ({"node_name": "east", "node_listen": "nonsense", "s3_endpoint": "s:1"}, "HOST:PORT"),
        ({"node_name": "east", "node_listen": "0.0.0.0:7900/2", "s3_endpoint": "s:1"}, "HOST:PORT"),
        ({"node_name": "east", "node_listen": "0.0.0.0:7881", "s3_endpoint": "s:1"}, "share a port"),
        ({"nodes": {"east": "h"}, "s3_endpoint": "s:1"}, "HOST:PORT/WORKERS"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings(data_dir=tmp_path, **more)


def test_a_node_listens_for_each_of_its_workers(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, node_name="east", workers=2, s3_endpoint="s:1")
    assert list(settings.node_place.ports) == [7900, 7901, 7902, 7903]
    Settings(data_dir=tmp_path, node_name="east", node_listen="0.0.0.0:7880", s3_endpoint="s:1")  # just below the media


# ---- the file ----


def test_the_file_opens_with_its_secret_however_that_is_typed(tmp_path: Path) -> None:
    data = pack(BUNDLE, SECRET)
    assert unpack(data, SECRET) == unpack(data, " abcdefgh ijklmnop-qrstuvwx\n") == BUNDLE
    for name in SHARED_KEYS:
        assert name.encode() not in data, "nothing of it lies open"
    with pytest.raises(BundleRefused, match="not the one of this file"):
        unpack(data, new_secret())
    assert len({new_secret() for _ in range(10)}) == 10 and len(new_secret()) == len(SECRET)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"format": "video-home-node/2"}', b"\xff\xfe"])
def test_what_is_no_such_file_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(BundleRefused, match=r"^This .*\.$"):
        unpack(data, SECRET)


def test_a_changed_file_is_refused() -> None:
    outer = json.loads(pack(BUNDLE, SECRET))
    outer["nonce"] = "00" * 12
    with pytest.raises(BundleRefused, match="was changed"):
        unpack(json.dumps(outer).encode(), SECRET)


def test_it_is_put_in_place_for_this_user_alone(tmp_path: Path) -> None:
    install(BUNDLE, tmp_path, "east", "default", 1_000_000.0)
    assert {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.*")} == FILES
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*"))
    install(replace(BUNDLE, files={**FILES, "node/node.crt": b"new"}), tmp_path, "east", "default", 1_000_000.0)
    assert (tmp_path / "node" / "node.crt").read_bytes() == b"new", "a new certificate for the same node"


@pytest.mark.parametrize(
    ("changes", "age_s", "words"),
    [
        ({"name": "west"}, 0, "is for the node west; here node_name is east"),
        ({"county": "other"}, 0, "of the county other"),
        ({}, GOOD_FOR_S, "older than a day"),
        ({}, -GOOD_FOR_S, "clock is wrong"),
        ({"files": {**FILES, "secrets/more.key": b""}}, 0, "another version"),
        ({"files": {**FILES, "../../etc/cron.d/x": b""}}, 0, "another version"),
        ({"files": {"node/node.crt": b""}}, 0, "another version"),
    ],
)
def test_a_file_that_is_not_for_here_changes_nothing(
    tmp_path: Path, changes: dict[str, Any], age_s: int, words: str
) -> None:
    with pytest.raises(BundleRefused, match=words):
        install(replace(BUNDLE, **changes), tmp_path, "east", "default", 1_000_000.0 + age_s)
    assert list(tmp_path.iterdir()) == []


def test_it_is_taken_until_the_day_is_over(tmp_path: Path) -> None:
    install(BUNDLE, tmp_path, "east", "default", 1_000_000.0 + GOOD_FOR_S - 1)
    assert (tmp_path / "node" / "node.key").exists()


def test_the_keys_of_another_installation_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "seal.key").write_bytes(b"theirs")
    with pytest.raises(BundleRefused, match=r"belongs to another installation \(seal.key differs\)"):
        install(BUNDLE, tmp_path, "east", "default", 1_000_000.0)
    assert (tmp_path / "secrets" / "seal.key").read_bytes() == b"theirs"
    assert not (tmp_path / "node").exists()


def test_a_refused_file_stays_for_another_try(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "east.node"
    file.write_bytes(pack(BUNDLE, SECRET))
    settings = Settings(data_dir=tmp_path / "data", node_name="east", s3_endpoint="s:1")
    assert node_join.run(settings, file, "wrong") == 1
    assert node_join.run(settings, file, SECRET) == 1, "it is older than a day"
    assert node_join.run(settings, tmp_path / "none", SECRET) == 1
    assert file.exists() and not settings.node_dir.exists()
    assert capsys.readouterr().out.count("\n") == 3, "one sentence each"
