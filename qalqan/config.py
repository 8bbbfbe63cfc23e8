"""Settings: `qalqan.toml` in `$QALQAN_HOME`, each overridable as `QALQAN_<SECTION>__<KEY>`. Unknown keys fail.

Read once at an entry point (`load_settings()`) and passed down.
"""

import os
import re
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from qalqan.errors import ConfigurationError


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class CrawlerSettings(Section):
    replay_prefix: str | None = Field(None, description="fetch everything from <prefix><original URL> (a web archive)")
    user_agent: str = Field("QalqanBot/0.1 (+public pages only)", description="sent with every request")
    max_pages: int = Field(20, ge=1, description="pages fetched per source and visit")
    max_body_bytes: int = Field(20_000_000, ge=1, description="a larger body is refused")
    timeout_s: float = Field(30, gt=0, description="one request, from connect to last byte")
    max_redirects: int = Field(5, ge=0)
    retries: int = Field(2, ge=0, description="extra tries after a timeout, a broken connection or HTTP 5xx/429")
    delay_s: float = Field(1.0, ge=0, description="pause between two requests to one host")
    concurrency_per_host: int = Field(1, ge=1)
    obey_robots_txt: bool = True
    allowed_networks: list[str] = Field([], description="private networks the crawler may enter, as CIDR")


class StoreSettings(Section):
    """All but `url` and the times concern Elasticsearch alone."""

    url: str | None = Field(
        None, description="sqlite:///path or https://elasticsearch:9200/prefix; default: SQLite in the home"
    )
    api_key: SecretStr | None = Field(None, description="the `encoded` value of an Elasticsearch API key")
    api_key_file: Path | None = Field(None, description="file that holds it")
    username: str | None = Field(None, min_length=1, pattern=r"^[^:]+$", description="instead of an API key")
    password: SecretStr | None = None
    password_file: Path | None = Field(None, description="file that holds it")
    ca_certs: Path | None = Field(None, description="PEM file of the CAs to trust instead of the system's")
    fingerprint: str | None = Field(None, description="SHA-256 of the server's own certificate, instead of a CA")
    shards: int = Field(1, ge=1, description="primary shards of a new index")
    replicas: int = Field(1, ge=0, description="copies of each shard on other nodes")
    timeout_s: float = Field(30, gt=0, description="one request")
    patience_s: float = Field(120, ge=0, description="how long a write is tried again without any progress")
    keep_months: int | None = Field(
        None, ge=1, description="the server's ILM drops months of documents that ended longer ago; default: never"
    )
    spool: Path | None = Field(None, description="where writes wait while it is away; default: spool/ in the home")

    @field_validator("fingerprint")
    @classmethod
    def _plain_fingerprint(cls, value: str | None) -> str | None:
        if value is None:
            return None
        plain = value.replace(":", "").lower()
        if not re.fullmatch("[0-9a-f]{64}", plain):
            raise ValueError("a SHA-256 fingerprint has 64 hexadecimal digits, with or without colons")
        return plain

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for one, other in (("api_key", "api_key_file"), ("password", "password_file"), ("ca_certs", "fingerprint")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"set store.{one} or store.{other}, not both")
        has_key = self.api_key is not None or self.api_key_file is not None
        has_password = self.password is not None or self.password_file is not None
        if has_key and (self.username is not None or has_password):
            raise ValueError("set an API key, or a user name and a password, not both")
        if has_password != (self.username is not None):
            raise ValueError("store.username needs store.password or store.password_file, and they need it")
        return self


class EvidenceSettings(Section):
    url: str | None = Field(None, description="folder or fsspec URL; default: evidence/ in the home")
    max_warc_bytes: int = Field(1_000_000_000, ge=1_000, description="a new WARC file is begun after this size")


class ClassifierSettings(Section):
    text_model: str | None = Field(None, description="checkpoint folder or hub name instead of the shipped model")
    base_model: str | None = Field(None, description="folder of the pretrained encoder; default: .cache/models/...")
    threads: int = Field(0, ge=0, description="CPU threads for inference; 0: as many as there are cores")


class ReviewSettings(Section):
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    allowed_hosts: list[str] = ["localhost", "127.0.0.1", "[::1]"]
    secret_key: SecretStr | None = Field(None, description="default: generated once in the home, mode 0600")
    claim_minutes: int = Field(20, ge=1, description="how long a moderator holds a case")
    sender: str = Field("Орган-образец", description="the body that sends packages")
    addressee: str = Field("Комитет информации", description="the body that receives packages")


class ScheduleSettings(Section):
    interval_minutes: int = Field(60, ge=1, description="default interval between two visits of a source")
    intake_seconds: int = Field(20, ge=1, description="how often flagged documents are pulled into cases")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="QALQAN_", env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True
    )

    home: Path = Path("var")
    crawler: CrawlerSettings = CrawlerSettings()
    store: StoreSettings = StoreSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    review: ReviewSettings = ReviewSettings()
    schedule: ScheduleSettings = ScheduleSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = Path(os.environ.get("QALQAN_HOME", "var")) / "qalqan.toml"
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml)

    @property
    def store_url(self) -> str:
        return self.store.url or f"sqlite:///{self.home / 'store.sqlite'}"

    @property
    def store_options(self) -> StoreSettings:
        """With the spool of this home where none is named."""
        return self.store.model_copy(update={"spool": self.store.spool or self.home / "spool"})

    @property
    def evidence_url(self) -> str:
        return self.evidence.url or str(self.home / "evidence")


# Variables that carry the prefix but are not settings.
_NOT_SETTINGS = {"QALQAN_HOME", "QALQAN_SHARED"}


def load_settings(**overrides: Any) -> Settings:
    """Settings from overrides, environment and `qalqan.toml`, in this order of precedence; the home is made.

    Raises ConfigurationError that names the wrong key.
    """
    sections = set(Settings.model_fields)
    for name in os.environ:
        section = name.removeprefix("QALQAN_").lower().split("__")[0]
        if name.startswith("QALQAN_") and name not in _NOT_SETTINGS and section not in sections:
            raise ConfigurationError(f"unknown setting {name}; see docs/settings.md")
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"setting {key}: {first['msg'].removeprefix('Value error, ')}; see docs/settings.md"
        ) from error
    settings.home.mkdir(parents=True, exist_ok=True)
    return settings
