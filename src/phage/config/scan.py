"""Settings of file scanning."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, JsonValue, SecretStr

from phage.config.kinds import Duration, Size
from phage.config.section import Section

USUAL_PASSWORDS = ("infected", "malware", "virus", "password", "1234", "12345", "123456", "test")
"""What analysts and criminals put on archives, the former so that nobody opens them unaware."""


class UnpackSettings(Section):
    """How far files are taken apart; the limits hold for all that is in one sample together."""

    enabled: bool = Field(default=True, description="Take archives, mails and documents apart.")
    depth: int = Field(50, ge=1, le=200, description="Levels of containers in containers.")
    members: int = Field(20_000, ge=1, le=10**6, description="Files in a sample, on all levels.")
    size: Size = Field(10**9, ge=2**20, description="Octets unpacked of a sample, on all levels.")
    largest: Size = Field(512 * 2**20, ge=2**16, description="Octets of the largest file in it.")
    time: Duration = Field(120.0, ge=1, le=86_400, description="Time that one sample may take.")
    passwords: tuple[str, ...] = Field(
        USUAL_PASSWORDS, max_length=64, description="Passwords that are tried on what is encrypted."
    )
    metadata_members: int = Field(
        50,
        ge=0,
        le=10**6,
        description="Of so many files in a sample facts are told; all are judged.",
    )


class FleetSettings(Section):
    """A fleet: machines of one kind that are started and ended as they are needed."""

    launcher: str = Field(
        "process", description="What starts them; `phage plugins list launchers` names them."
    )
    settings: dict[str, JsonValue] = Field(
        {}, description="Settings of the launcher, for example {image: ami-0123}."
    )
    engines: tuple[str, ...] = Field(
        (), max_length=64, description="Engines that they serve; empty: all in the image."
    )
    copies: int = Field(1, ge=0, le=1000, description="Machines that there are at least.")
    most: int = Field(1, ge=0, le=1000, description="Machines that there are at most.")
    tasks_each: int = Field(
        200, ge=1, le=10**6, description="One more is started for so many tasks that wait."
    )
    settle: Duration = Field(
        180.0, ge=0, le=86_400, description="More are started again after so long only."
    )
    idle: Duration = Field(
        900.0, ge=0, le=86_400 * 7, description="One is ended when fewer would have done so long."
    )
    boot: Duration = Field(
        900.0, ge=10, le=86_400, description="A machine whose worker is silent so long is replaced."
    )


class WorkerSettings(Section):
    """Many workers: what their master waits for, and what they keep to."""

    wait: Duration = Field(
        600.0,
        ge=1,
        le=86_400 * 7,
        description="An engine whose workers are all gone for so long is not waited for: verdicts "
        "are incomplete then.",
    )
    canary_time: Duration = Field(
        600.0,
        ge=0,
        le=86_400 * 7,
        description="New definitions are with one worker for so long before all get them.",
    )
    good: tuple[Path, ...] = Field(
        (Path("/usr/bin"),),
        max_length=64,
        description="Good files, or folders of them: a worker refuses definitions that find "
        "something in one.",
    )
    fleets: dict[str, FleetSettings] = Field(
        {}, max_length=64, description="Machines that phage starts and ends by itself, by name."
    )
    join_url: str = Field(
        "", description="Where these machines reach this phage: https://HOST:8080."
    )
    token_file: Path | None = Field(
        None, description="File with the token that they show (scope work:write)."
    )
    queue_url_file: Path | None = Field(
        None, description="File with the address of RabbitMQ for them, with an account of workers."
    )
    ca_file: Path | None = Field(
        None, description="Certificates that they trust; for a certificate that phage made itself."
    )
    members_size: Size = Field(
        2 * 10**9, ge=10**6, description="Octets of members laid by of one sample for workers."
    )


class CarveSettings(Section):
    """Files that `phage run` takes out of traffic without encryption, and has scanned."""

    enabled: bool = Field(
        default=False,
        description="Take files out of HTTP, FTP, SMTP and SMB, and scan them; an infected one is "
        "a finding about who got it.",
    )
    memory: Size = Field(
        64 * 2**20,
        ge=2**20,
        le=2**34,
        description="Octets that streams may hold meanwhile; those not used lately go.",
    )
    largest: Size = Field(
        16 * 2**20, ge=2**10, le=2**32, description="Octets of the largest file that is taken."
    )


class ScanSettings(Section):
    """Scanning of files: engines, sandbox, limits, what is kept."""

    engines: tuple[str, ...] = Field(
        (), description="Engines to use, by name; empty: all that are available and not opt-in."
    )
    also: tuple[str, ...] = Field((), description="Opt-in engines to use besides.")
    disabled: tuple[str, ...] = Field((), description="Engines not to use.")
    settings: dict[str, dict[str, JsonValue]] = Field(
        {}, description="Settings of engines by name, for example {clamav: {socket: /run/clamd}}."
    )
    processes: int = Field(
        0, ge=0, le=64, description="Files scanned at a time; 0: one a processor."
    )
    isolation: str = Field(
        "partial",
        pattern="^(full|partial|none)$",
        description="The least isolation with which files are scanned: full, partial or none.",
    )
    largest: Size = Field(2 * 10**9, ge=2**10, description="Octets of the largest sample.")
    unpack: UnpackSettings = UnpackSettings()
    keep: bool = Field(
        default=True, description="Keep samples, disguised, so that they can be scanned again."
    )
    keep_size: Size = Field(5 * 10**9, ge=10**6, description="Octets of samples kept; oldest go.")
    keep_time: Duration = Field(30 * 86_400.0, ge=60, description="Samples are kept this long.")
    rescan: bool = Field(
        default=True,
        description="Scan samples that are kept again when engines or definitions are new.",
    )
    rescan_every: Duration = Field(
        6 * 3600.0,
        ge=60,
        le=30 * 86_400,
        description="How often it is looked whether engines have changed by themselves.",
    )
    queue: str = Field(
        "local", description="The queue of jobs; `phage plugins list queues` names them."
    )
    queue_url: SecretStr = Field(
        SecretStr(""), description="Where that queue is, for one beyond this machine."
    )
    fronts: dict[str, dict[str, JsonValue]] = Field(
        {},
        description="Ways in by other programs' protocols, by name with their settings, for "
        "example {clamd: {listen: 127.0.0.1:3310}}; `phage plugins list fronts` names them.",
    )
    own_worker: bool = Field(
        default=True,
        description="`phage run` starts a worker of its own: with the first file, at once where "
        "fronts, watched folders or workers elsewhere wait for it. Off where `phage worker` runs "
        "by itself.",
    )
    worker_idle: Duration = Field(
        600.0, ge=1, le=86_400, description="That worker ends when no file came for so long."
    )
    uploads_a_minute: int = Field(
        0, ge=0, le=10**6, description="Files that each user may hand in a minute; 0: any number."
    )
    workers: WorkerSettings = WorkerSettings()
    carve: CarveSettings = CarveSettings()
    watch: tuple[Path, ...] = Field(
        (), max_length=64, description="Folders whose new files are scanned by `phage worker`."
    )
