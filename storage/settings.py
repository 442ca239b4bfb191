# SPDX-License-Identifier: Apache-2.0
"""Settings of all programs: defaults, then `videohome.toml`, then `VIDEOHOME_*` environment variables.

The file is `videohome.toml` in the working directory, or the path in `VIDEOHOME_CONFIG`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, HttpUrl, SecretStr, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from storage.nodes import NAME, NodePlace, read_place, read_places
from storage.turn import URI

EXIT_CONFIGURATION = 78
"""Exit status of a program whose settings are wrong (sysexits EX_CONFIG); it is not restarted."""


WEBHOOK_SECRET_CHARACTERS = 16
"""Fewer can be guessed."""
RETENTION_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
MOST_RETENTION_DAYS = 36_500
RETENTION_USUAL: dict[str, int | Literal["permanent"]] = {"ordinary": 90, "mediation": 1095, "evidence": "permanent"}


class SettingsFault(Exception):
    """A setting is wrong. The text is one sentence for the technician for each fault, one a line."""


class Settings(BaseSettings):
    """Every setting with its default; names are stable and stand in the README."""

    model_config = SettingsConfigDict(env_prefix="VIDEOHOME_", extra="forbid", frozen=True)

    data_dir: Path = Field(Path("data"), description="Folder that holds database, spool, store, keys and logs.")
    county: str = Field("default", pattern=r"^[a-z0-9-]{1,32}$", description="County that all rows belong to.")
    bind: str = Field("0.0.0.0", description="Address to listen on (HTTPS and media).")
    https_port: int = Field(8443, ge=1, le=65535, description="Port of pages, API and signalling.")
    media_port: int = Field(7882, ge=1, le=65535, description="The one UDP and TCP port of the media.")
    workers: int = Field(1, ge=1, le=16, description="Media processes; number n listens on `media_port` + n.")
    worker: int = Field(0, ge=0, le=15, description="Which of them this program belongs to (set by `serve`).")
    nodes: dict[str, str] = Field(
        default_factory=dict,
        description="Media nodes: name = `HOST:PORT`, or `HOST:PORT/WORKERS` (docs/workers.md).",
    )
    node_name: str = Field("", description="Set on a media node: its name; it runs no pages of its own.")
    node_listen: str = Field(
        "0.0.0.0:7900", description="On a media node: address and first of two TCP ports for each worker (TLS)."
    )
    drain_seconds: int = Field(
        60, ge=0, le=86400, description="How long calls may go on in a media process that was asked to stop (SIGTERM)."
    )
    plane: Literal["auto", "python", "native"] = Field(
        "auto", description="What forwards and takes down the packets; `auto` is the compiled plane where it was built."
    )
    advertise: list[str] = Field(default_factory=list, description="Further addresses given to browsers (NAT).")
    turn_uris: list[str] = Field(
        default_factory=list,
        description="TURN servers that browsers may use (`turn:HOST:3478?transport=udp`, `turns:…`).",
    )
    turn_secret: SecretStr = Field(SecretStr(""), description="Their shared secret (coturn: static-auth-secret).")
    tls_certificate: Path | None = Field(None, description="Own certificate (PEM, full chain).")
    tls_key: Path | None = Field(None, description="Key of the own certificate (PEM).")
    names: list[str] = Field(default_factory=list, description="Further host names for the certificate.")
    s3_endpoint: str = Field("", description="host:port of an S3 store; empty: the embedded store.")
    s3_access_key: SecretStr = Field(SecretStr(""), description="Access key of that store.")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="Secret key of that store.")
    s3_bucket: str = Field("videohome", description="Bucket that holds the recordings.")
    s3_secure: bool = Field(True, description="Speak HTTPS to the store.")
    s3_region: str = Field("us-east-1", description="Region sent to the store.")
    s3_lock: Literal["off", "governance", "compliance"] = Field(
        "governance", description="Object Lock on sealed recordings, where the store was seen to enforce it."
    )
    s3_encryption: Literal["off", "sse-s3", "sse-kms"] = Field(
        "off", description="Encryption that the store is asked for with every object (docs/store.md)."
    )
    s3_encryption_key: str = Field("", description="Name of the store's key for `sse-kms`.")
    recording_keys: Literal["talks", "all", "off"] = Field(
        "talks", description="Which recordings get a key of their own: private talks, all, or none (docs/store.md)."
    )
    s3_copy_endpoint: str = Field("", description="host:port of a second S3 store that gets a copy; empty: none.")
    s3_copy_access_key: SecretStr = Field(SecretStr(""), description="Access key of the second store.")
    s3_copy_secret_key: SecretStr = Field(SecretStr(""), description="Secret key of the second store.")
    s3_copy_bucket: str = Field("videohome", description="Bucket of the copies.")
    s3_copy_secure: bool = Field(True, description="Speak HTTPS to the second store.")
    s3_copy_region: str = Field("us-east-1", description="Region sent to the second store.")
    retention_classes: dict[str, int | Literal["permanent"]] = Field(
        default_factory=lambda: dict(RETENTION_USUAL),
        description="How long recordings are kept: days after the session by class, or `permanent`.",
    )
    retention_default: str = Field("mediation", description="Class of a session that nobody gave another one.")
    database_url: str = Field("", description="SQLAlchemy address; empty: SQLite in data_dir.")
    language: str = Field("zh", description="Spoken language of the sessions.")
    whisper_model: str = Field("base", description="Name of the speech model.")
    whisper_model_dir: Path | None = Field(None, description="Folder of a model of one's own.")
    whisper_prompt: str = Field("以下是普通话的句子。", description="Plain sentence that sets script and punctuation.")
    disk_low_bytes: int = Field(2_000_000_000, ge=0, description="Free space under which a warning is shown.")
    disk_full_bytes: int = Field(300_000_000, ge=0, description="Free space under which no new session is recorded.")
    timestamp_url: str = Field(
        "", description="Time stamp authority (RFC 3161) that stamps sealed recordings; empty: none."
    )
    timestamp_certificate: Path | None = Field(
        None, description="Its root certificate (PEM); needed with `timestamp_url` and to check its stamps."
    )
    time_zone: str = Field("Asia/Shanghai", description="Time zone of dates in documents (IANA name).")
    session_hours: int = Field(12, ge=1, le=168, description="Hours until a sign-in ends.")
    webhook_urls: list[str] = Field(
        default_factory=list, max_length=8, description="Addresses that are told what happens (docs/moderation.md)."
    )
    webhook_secret: SecretStr = Field(
        SecretStr(""), description="Key that signs what is told; at least 16 characters, needed with `webhook_urls`."
    )
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level that is logged.")

    @field_validator("data_dir", "tls_certificate", "tls_key", "whisper_model_dir", "timestamp_certificate")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone of the IANA list, such as Asia/Shanghai") from None
        return value

    @field_validator("turn_uris")
    @classmethod
    def _known_uris(cls, values: list[str]) -> list[str]:
        for value in values:
            if URI.fullmatch(value) is None:
                raise ValueError(f"{value!r} is not of the form turn:HOST:PORT?transport=udp")
        return values

    @field_validator("webhook_urls")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        for text in value:
            TypeAdapter(HttpUrl).validate_python(text)
        return value

    @field_validator("retention_classes")
    @classmethod
    def _sane_classes(cls, value: dict[str, int | str]) -> dict[str, int | str]:
        for name, days in value.items():
            if RETENTION_NAME.fullmatch(name) is None:
                raise ValueError(f"{name!r} is no name of a class; use at most 32 small letters, digits and hyphens")
            if isinstance(days, int) and not 1 <= days <= MOST_RETENTION_DAYS:
                raise ValueError(f"class {name} has {days} days; give 1 to {MOST_RETENTION_DAYS}, or permanent")
        return value

    @model_validator(mode="after")
    def _default_is_a_class(self) -> Settings:
        if self.retention_default not in self.retention_classes:
            raise ValueError(f"retention_default {self.retention_default!r} is not among retention_classes")
        return self

    @field_validator("timestamp_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value:
            TypeAdapter(HttpUrl).validate_python(value)
        return value

    @model_validator(mode="after")
    def _encryption_can_be_had(self) -> Settings:
        if self.s3_encryption != "off" and not self.s3_endpoint:
            raise ValueError("s3_encryption needs s3_endpoint: the embedded store cannot read what it has encrypted")
        if (self.s3_encryption == "sse-kms") != bool(self.s3_encryption_key):
            raise ValueError("s3_encryption_key names the key of s3_encryption = sse-kms; give both or neither")
        if self.s3_encryption == "sse-kms" and not self.s3_secure:
            raise ValueError("s3_encryption = sse-kms needs s3_secure: a key service is used over HTTPS alone")
        return self

    @model_validator(mode="after")
    def _stamps_can_be_checked(self) -> Settings:
        if self.timestamp_url and self.timestamp_certificate is None:
            raise ValueError("timestamp_url needs timestamp_certificate, the root that its stamps are checked against")
        return self

    @model_validator(mode="after")
    def _ports_in_range(self) -> Settings:
        if self.media_ports[-1] > 65535:
            raise ValueError(f"{self.workers} workers need ports beyond 65535; choose a smaller media_port")
        return self

    @model_validator(mode="after")
    def _nodes_can_work(self) -> Settings:
        read_places(self.nodes)
        if self.node_name and NAME.fullmatch(self.node_name) is None:
            raise ValueError(f"node_name {self.node_name!r} has not at most 31 small letters, digits and hyphens")
        if self.node_name and self.nodes:
            raise ValueError("node_name makes this machine a media node, which has no nodes of its own; unset one")
        if (self.node_name or self.nodes) and not self.s3_endpoint:
            raise ValueError("media nodes need s3_endpoint, a store that all machines reach")
        if self.node_name and set(self.node_place.ports) & set(self.media_ports):
            raise ValueError("node_listen and media_port share a port; choose others")
        return self

    @model_validator(mode="after")
    def _signed(self) -> Settings:
        if self.webhook_urls and len(self.webhook_secret.get_secret_value()) < WEBHOOK_SECRET_CHARACTERS:
            raise ValueError(f"webhook_urls need a webhook_secret of at least {WEBHOOK_SECRET_CHARACTERS} characters")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = Path(os.environ.get("VIDEOHOME_CONFIG", "videohome.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    def worker_dir(self, worker: int | None = None) -> Path:
        """Sockets of one media process and its recorder; the first one's are in `run_dir` itself."""
        number = self.worker if worker is None else worker
        return self.run_dir / f"worker-{number}" if number else self.run_dir

    @property
    def media_ports(self) -> range:
        """Ports of all media processes of this machine."""
        return range(self.media_port, self.media_port + self.workers)

    @property
    def worker_port(self) -> int:
        """Port of this media process."""
        return self.media_port + self.worker

    @property
    def node_place(self) -> NodePlace:
        """Where the doors of this media node are."""
        return read_place(self.node_name, self.node_listen, self.workers)

    @property
    def node_dir(self) -> Path:
        """Certificates of this media node."""
        return self.data_dir / "node"

    @property
    def run_dir(self) -> Path:
        """Unix sockets and process files."""
        return self.data_dir / "run"

    @property
    def secrets_dir(self) -> Path:
        """Keys, mode 0600 in a folder of mode 0700."""
        return self.data_dir / "secrets"

    @property
    def spool_dir(self) -> Path:
        """Recording parts of this worker that are not yet checked in the store."""
        return self.data_dir / (f"spool-{self.worker}" if self.worker else "spool")

    @property
    def sync_database_url(self) -> str:
        """Address for the synchronous engine."""
        return self.database_url or f"sqlite:///{self.data_dir / 'db' / 'videohome.sqlite'}"


def load_settings() -> Settings:
    """Read all sources. Raises SettingsFault with one sentence for each wrong setting."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"Setting {'.'.join(map(str, item['loc'])) or '(file)'}: {item['msg']}." for item in error.errors()]
        raise SettingsFault("\n".join(lines)) from None
    except (OSError, ValueError) as error:
        raise SettingsFault(f"The settings file cannot be read: {error}.") from None
