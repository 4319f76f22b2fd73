"""Every setting, read from `CTR_*` variables; a value that makes no sense refuses to start."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import StartupRefused

PREFIX = "CTR_"
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

SHORTEST_KEY = 16  # characters: what anyone may guess at as often as they like


def _key(key: SecretStr) -> SecretStr:
    """One that is hard to guess, and that a header can carry."""
    text = key.get_secret_value()
    if len(text) < SHORTEST_KEY:
        raise ValueError(
            f"a key of less than {SHORTEST_KEY} characters can be guessed: make one with "
            "`openssl rand -base64 24`"
        )
    if text != text.strip() or not text.isprintable():
        raise ValueError("a key with a line break, or a space at its end, fits into no header")
    return key


class Settings(BaseSettings):
    """The documented table of these is `docs/settings.md`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on")

    admin_key: Annotated[SecretStr, AfterValidator(_key)] | None = Field(
        default=None,
        description="whoever sends it may change what is served; unset: nobody may over HTTP",
    )

    model_store: Annotated[str, BeforeValidator(os.fspath)] = Field(
        default="model_store", description="folder of the models, or a URL that fsspec can read"
    )
    model_copies: Path | None = Field(
        default=None, description="folder for copies of a URL's files; unset: one for the process"
    )
    model_copies_mib: int = Field(
        default=65_536, ge=1, le=2**30, description="space for them, per URL; the oldest make room"
    )
    default_model: str | None = Field(
        default=None,
        description="the model of requests that name none; unset: the only one there is",
    )
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda:[0-9]{1,2})$")] = Field(
        default="auto", description="`auto` (a GPU if there is one), `cpu` or `cuda:N`"
    )
    runtime: Literal["auto", "reference", "fused", "torchscript", "aoti", "int8", "bf16"] = Field(
        default="auto",
        description="how models are run: `fused` (the kernel for CPUs), `reference` (torch), "
        "`auto` (fused where it can be), or one that every served version was exported to",
    )
    engine_threads: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="batches computed at the same time, per model; unset: as many as there are "
        "CPUs to use, on a GPU one",
    )
    torch_threads: int = Field(
        default=1, ge=1, le=256, description="threads inside one torch operation"
    )

    user_state_cache_mib: int = Field(
        default=128,
        ge=0,
        le=2**20,
        description="memory for what the fused runtime computed of users; 0: keep nothing",
    )
    trusted_keys: str | None = Field(
        default=None,
        description="public keys of which one must have signed a version; unset: none needs to be",
    )
    max_version_mib: int = Field(
        default=65_536, ge=1, le=2**30, description="larger versions are refused unread"
    )
    keep_previous_version: bool = Field(
        default=True,
        description="what a rollback would serve is in memory, so that it takes no loading",
    )

    redis_url: SecretStr | None = Field(
        default=None,
        description="`redis://`, `rediss://`, `unix://`, `redis+sentinel://` or "
        "`redis+cluster://`; unset: an embedded server, empty",
    )
    redis_sentinel_username: str | None = Field(
        default=None, description="the user to log in to sentinels as"
    )
    redis_sentinel_password: SecretStr | None = Field(
        default=None, description="the password to log in to sentinels with"
    )
    redis_timeout_ms: float = Field(
        default=100, gt=0, le=10_000, description="longest wait for features before going without"
    )
    stale_history_mib: int = Field(
        default=64,
        ge=0,
        le=2**20,
        description="memory for histories read lately, for when Redis does not answer; 0: none",
    )
    stale_history_max_age_s: float = Field(
        default=3_600,
        gt=0,
        allow_inf_nan=False,
        description="a history that was read longer ago is not used any more",
    )
    max_stored_behaviors: int = Field(
        default=200, ge=1, le=10_000, description="behaviors kept per user in Redis"
    )

    max_batch_pairs: int | None = Field(
        default=None,
        ge=1,
        description="candidate-behavior pairs computed together at most; unset: 20,000, on a GPU "
        "400,000",
    )
    max_queued_pairs: int = Field(
        default=500_000, ge=1, description="candidate-behavior pairs that may wait; more get a 429"
    )
    default_deadline_ms: float = Field(
        default=1_000,
        gt=0,
        allow_inf_nan=False,
        description="budget of a request that states none",
    )
    max_deadline_ms: float = Field(
        default=10_000,
        gt=0,
        allow_inf_nan=False,
        description="longer budgets are shortened to this",
    )
    prior_fallback: bool = Field(
        default=True,
        description="answer with smoothed CTRs of ads and categories when the model fails or is "
        "late; otherwise such requests get a 503 or 504",
    )
    max_body_bytes: int = Field(default=2**21, ge=1024, description="larger bodies get a 413")
    body_timeout_s: float = Field(
        default=5, gt=0, le=300, description="a body must have arrived by then"
    )
    liveness_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="port where a thread of its own answers /health/live; unset: none",
    )
    liveness_blocked_s: float = Field(
        default=5,
        gt=0,
        le=300,
        description="an event loop blocked for so long is not alive, says that port",
    )
    head_timeout_s: float = Field(
        default=5, gt=0, le=300, description="a request's head must have arrived by then"
    )
    answer_timeout_s: float = Field(
        default=10, gt=0, le=300, description="a client that does not read an answer leaves then"
    )
    shutdown_delay_s: float = Field(
        default=2,
        ge=0,
        le=300,
        description="after SIGTERM, how long it still listens while it says that it is not ready",
    )
    shutdown_grace_s: int = Field(
        default=30, ge=0, le=86_400, description="after SIGTERM, everything has ended by then"
    )
    rollout_min_requests: int = Field(
        default=1_000,
        ge=50,
        description="requests that both versions have scored before one is promoted",
    )
    rollout_min_s: float = Field(
        default=600, ge=0, allow_inf_nan=False, description="nor is one promoted earlier"
    )
    rollout_max_ctr_change: float = Field(
        default=0.1,
        gt=0,
        le=10,
        description="how much higher or lower the mean CTR of a new version may be, as a share",
    )
    rollout_min_rank_correlation: float = Field(
        default=0.5,
        ge=-1,
        le=1,
        description="Kendall's tau of both versions within requests, at least",
    )
    rollout_max_psi: float = Field(
        default=0.25, gt=0, le=100, description="population stability index of the CTRs, at most"
    )
    rollout_max_failure_rate: float = Field(
        default=0.01, gt=0, le=1, description="errors, and scores that are not numbers, at most"
    )
    rollout_max_latency_ratio: float = Field(
        default=1.5,
        gt=0,
        le=1000,
        description="how much longer a new version may take, as a multiple",
    )

    record_share: float = Field(
        default=0, ge=0, le=1, description="share of the scored requests that are recorded"
    )
    record_folder: Path = Field(
        default=Path("recorded"), description="where they are recorded; for one service alone"
    )
    record_mib: int = Field(
        default=256, ge=1, le=2**20, description="space for them; the oldest make room"
    )
    record_key: SecretStr | None = Field(
        default=None,
        description="key of the hash that stands for a user; unset: another one at each start",
    )
    log_level: LogLevel = Field(
        default="INFO", description="`INFO` logs a line per request, `WARNING` only trouble"
    )

    @field_validator("liveness_port")
    @classmethod
    def _has_a_port_of_its_own(cls, port: int | None, others: ValidationInfo) -> int | None:
        if port and port == others.data.get("port"):
            raise ValueError(f"{port} is the port of {PREFIX}PORT already")
        return port


def read_settings(**overrides: object) -> Settings:
    """Settings from the environment. Raises StartupRefused, naming the variable."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # validated right here
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = PREFIX + "_".join(map(str, first["loc"])).upper()
        reason = first["msg"].removeprefix("Value error, ")
        raise StartupRefused(f"{name}: {reason}") from None


def unknown_variables() -> list[str]:
    """`CTR_*` variables that are not settings: most often a typing error."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
