# SPDX-License-Identifier: Apache-2.0
"""Settings of all programs: defaults, then `videohome.toml`, then `VIDEOHOME_*` environment variables.

The file is `videohome.toml` in the working directory, or the path in `VIDEOHOME_CONFIG`.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

EXIT_CONFIGURATION = 78
"""Exit status of a program whose settings are wrong (sysexits EX_CONFIG); it is not restarted."""


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
    advertise: list[str] = Field(default_factory=list, description="Further addresses given to browsers (NAT).")
    tls_certificate: Path | None = Field(None, description="Own certificate (PEM, full chain).")
    tls_key: Path | None = Field(None, description="Key of the own certificate (PEM).")
    names: list[str] = Field(default_factory=list, description="Further host names for the certificate.")
    s3_endpoint: str = Field("", description="host:port of an S3 store; empty: the embedded store.")
    s3_access_key: SecretStr = Field(SecretStr(""), description="Access key of that store.")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="Secret key of that store.")
    s3_bucket: str = Field("videohome", description="Bucket that holds the recordings.")
    s3_secure: bool = Field(True, description="Speak HTTPS to the store.")
    s3_region: str = Field("us-east-1", description="Region sent to the store.")
    database_url: str = Field("", description="SQLAlchemy address; empty: SQLite in data_dir.")
    language: str = Field("zh", description="Spoken language of the sessions.")
    whisper_model: str = Field("base", description="Name of the speech model.")
    whisper_model_dir: Path | None = Field(None, description="Folder of a model of one's own.")
    whisper_prompt: str = Field("以下是普通话的句子。", description="Plain sentence that sets script and punctuation.")
    disk_low_bytes: int = Field(2_000_000_000, ge=0, description="Free space under which a warning is shown.")
    disk_full_bytes: int = Field(300_000_000, ge=0, description="Free space under which no new session is recorded.")
    session_hours: int = Field(12, ge=1, le=168, description="Hours until a sign-in ends.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level that is logged.")

    @field_validator("data_dir", "tls_certificate", "tls_key", "whisper_model_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

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
        """Recording parts that are not yet checked in the store."""
        return self.data_dir / "spool"

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
