"""Settings from file, environment and options."""

from __future__ import annotations

from pathlib import Path

import pytest

from phage.config.kinds import (
    format_duration,
    format_size,
    parse_duration,
    parse_size,
    split_listen,
)
from phage.config.load import find_file, load_settings
from phage.config.reference import as_values, reference, show
from phage.config.settings import Settings
from phage.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    file = folder / "phage.yaml"
    file.write_text(text)
    return file


def test_no_file_gives_the_defaults() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert settings.learning.budget == 1.0
    assert settings.api.listen == "127.0.0.1:8080"


def test_the_later_source_wins(tmp_path: Path) -> None:
    file = write(tmp_path, "limits:\n  flows: 2000\n  hosts: 3000\n  devices: 40\n")
    environment = {"PHAGE_LIMITS__HOSTS": "4000", "PHAGE_LIMITS__DEVICES": "50"}
    settings = load_settings(file, environment, {("limits", "devices"): 60})
    limits = settings.limits
    assert (limits.flows, limits.hosts, limits.devices) == (2000, 4000, 60)


def test_lists_and_units_are_read(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "interfaces: [eth0, wlan0]\nhome: [192.168.7.9/24, 'fd00::1/8']\n"
        "capture: {ring_size: 64 MiB}\nretention: {flows: 36 h, store_size: 1.5 GB}\n",
    )
    settings = load_settings(file)
    assert settings.interfaces == ("eth0", "wlan0")
    assert settings.home == ("192.168.7.0/24", "fd00::/8")
    assert settings.capture.ring_size == 67_108_864
    assert settings.retention.flows == 129_600
    assert settings.retention.store_size == 1_500_000_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "learning:\n  budgt: 2\n",
            "phage.yaml:2: learning.budgt: no such key; did you mean 'budget'?",
        ),
        ("captures: {}\n", "phage.yaml:1: captures: no such key; did you mean 'capture'?"),
        ("zzz: 1\n", "zzz: no such key; known here: api, bus, capture"),
        ("limits: 3\n", "phage.yaml:1: limits: is a section"),
        ("limits: {flows: many}\n", "limits.flows: must be a whole number (got 'many')"),
        ("limits: {flows: 3}\n", "limits.flows: should be greater than or equal to 1024 (got 3)"),
        ("learning: {budget: .nan}\n", "learning.budget: "),
        ("learning: {budget: 0}\n", "learning.budget: should be greater than 0 (got 0)"),
        ("home: []\n", "phage.yaml:1: home: "),
        ("home: [10.0.0.0/33]\n", "home[0]: must be a network such as"),
        ("interfaces: ['eth0; reboot']\n", "interfaces[0]: must be the name of an interface"),
        ("interfaces: eth0\n", "interfaces: must be a list"),
        ("capture: {ring_size: 3 bananas}\n", "capture.ring_size: must be a size"),
        ("retention: {flows: soon}\n", "retention.flows: must be a time"),
        ("api: {listen: localhost}\n", "api.listen: must be an address and a port"),
        ("store: {url: 'mysql://x/y'}\n", "store.url: must begin with sqlite:/// or postgresql://"),
        ("outputs: {eve: {types: [flow, flaw]}}\n", "phage.yaml:1: outputs.eve.types[1]: "),
        ("logging: {levels: {phage.store: loud}}\n", "logging.levels.phage.store: "),
        ("capture: {promiscuous: maybe}\n", "capture.promiscuous: must be true or false"),
    ],
)
def test_a_fault_names_file_line_key_and_remedy(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, text))
    assert says in str(caught.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, "zzz: 1\nlimits: {flows: 1}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {"PHAGE_API__LISTN": "x"})
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert any(line.startswith("PHAGE_API__LISTN: api.listn: no such key") for line in lines)


def test_a_wrong_password_is_never_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, "store: {password: 12345678}\n"))
    assert "12345678" not in str(caught.value)


def test_secrets_come_from_files_and_are_masked(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("tr0ub4dor\nsecond line\n")
    file = write(tmp_path, f"api: {{token_file: {secret}, listen: '0.0.0.0:80'}}\n")
    settings = load_settings(file)
    assert settings.api.token.get_secret_value() == "tr0ub4dor"
    for text in (show(settings), repr(settings), str(as_values(settings))):
        assert "tr0ub4dor" not in text


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\n", b"x" * 5000])
def test_a_secret_that_is_none_is_refused_without_showing_it(
    tmp_path: Path, content: bytes
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(content)
    with pytest.raises(ConfigError, match=r"store\.password_file: the first line") as caught:
        load_settings(write(tmp_path, f"store: {{password_file: {secret}}}\n"))
    assert "xxxx" not in str(caught.value)


def test_a_missing_secret_says_which_file(tmp_path: Path) -> None:
    file = write(tmp_path, f"store: {{password_file: {tmp_path}/none}}\n")
    with pytest.raises(ConfigError, match=r"store\.password_file: .*none cannot be read"):
        load_settings(file)


def test_what_container_platforms_put_in_the_environment_is_left_alone() -> None:
    environment = {
        "PHAGE_PORT": "tcp://10.0.0.1:80",
        "PHAGE_SERVICE_HOST": "10.0.0.1",
        "PHAGE_PEER_DATA": "/data",
    }
    assert load_settings(None, environment) == Settings()


def test_first_level_keys_come_from_the_environment() -> None:
    environment = {"PHAGE_STATE_DIR": "/srv/phage", "PHAGE_INTERFACES": "[eth5]"}
    settings = load_settings(None, environment)
    assert settings.state_folder == Path("/srv/phage")
    assert settings.interfaces == ("eth5",)


def test_a_variable_below_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="PHAGE_STATE_DIR__X: state_dir is no section"):
        load_settings(None, {"PHAGE_STATE_DIR": "/x", "PHAGE_STATE_DIR__X": "1"})


def test_the_reference_is_a_settings_file_with_the_defaults(tmp_path: Path) -> None:
    text = reference()
    assert load_settings(write(tmp_path, text)) == Settings()
    assert "# False findings that you accept, per device and week" in text
    assert "flow_active_timeout: 30 min" in text


def test_the_settings_in_force_can_be_loaded_again(tmp_path: Path) -> None:
    settings = load_settings(None, {"PHAGE_LIMITS__FLOWS": "5000", "PHAGE_HOME": "[10.1.0.0/16]"})
    assert load_settings(write(tmp_path, show(settings))) == settings


def test_every_key_is_documented() -> None:
    def check(model: type) -> None:
        for name, info in model.model_fields.items():  # type: ignore[attr-defined]
            below = info.annotation
            if isinstance(below, type) and hasattr(below, "model_fields"):
                assert below.__doc__
                check(below)
            else:
                assert info.description, name

    check(Settings)


def test_the_file_is_found_in_the_order_of_places(tmp_path: Path) -> None:
    home, working = tmp_path / "home", tmp_path / "working"
    (home / ".config" / "phage").mkdir(parents=True)
    working.mkdir()
    user = home / ".config" / "phage" / "phage.yaml"
    user.write_text("")
    assert find_file({}, home, working) == user
    (working / "phage.yaml").write_text("")
    assert find_file({}, home, working) == working / "phage.yaml"
    assert find_file({"PHAGE_CONFIG": "/x/y.yaml"}, home, working) == Path("/x/y.yaml")


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("1", 1),
        ("5 kB", 5000),
        ("2MiB", 2_097_152),
        ("1.5 GB", 1_500_000_000),
        ("1 GiB", 2**30),
        ("3M", 3_000_000),
    ],
)
def test_sizes(text: str, octets: int) -> None:
    assert parse_size(text) == octets


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("1.5 h", 5400),
        ("250 ms", 0.25),
        ("2d", 172_800),
        ("1 w", 604_800),
        ("10 min", 600),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


def test_formats_read_back() -> None:
    for octets in (1, 1000, 1024, 2_000_000, 2**25, 1_500_000_000):
        assert parse_size(format_size(octets)) == octets
    for seconds in (1.0, 0.5, 60.0, 90.0, 3600.0, 604_800.0):
        assert parse_duration(format_duration(seconds)) == seconds


def test_listen_addresses() -> None:
    assert split_listen("127.0.0.1:80") == ("127.0.0.1", 80)
    assert split_listen("[::1]:8080") == ("::1", 8080)
    for wrong in (
        "",
        "80",
        ":80",
        "1.2.3.4",
        "1.2.3.4:99999",
        "1.2.3.4:-1",
        "1.2.3.4:٣",
        "name:80",
    ):
        with pytest.raises(ValueError, match="address and a port"):
            split_listen(wrong)
