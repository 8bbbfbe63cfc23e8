"""Settings: `qalqan.toml` in `$QALQAN_HOME`, each overridable as `QALQAN_<SECTION>__<KEY>`. Unknown keys fail.

Read once at an entry point (`load_settings()`) and passed down.
"""

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from qalqan.errors import ConfigurationError


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


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
    url: str | None = Field(None, description="sqlite:///path or https://elasticsearch; default: SQLite in the home")


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
    model_config = SettingsConfigDict(env_prefix="QALQAN_", env_nested_delimiter="__", extra="forbid")

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
        raise ConfigurationError(f"setting {key}: {first['msg']}; see docs/settings.md") from error
    settings.home.mkdir(parents=True, exist_ok=True)
    return settings
