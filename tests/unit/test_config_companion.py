"""The companion's settings, and where the cluster is found."""

from pathlib import Path

import pytest

from auditship_indexer.cli.context import load_config, open_client
from auditship_indexer.config import CompanionConfig
from auditship_indexer.errors import ConfigError
from auditship_indexer.settings import parse


def test_every_setting_has_a_default() -> None:
    """A file that sets nothing is a valid file."""
    config = parse("{}", CompanionConfig, name="auditship.yaml")
    assert config == CompanionConfig()
    assert config.retention.days == 120


def test_a_whole_file_is_read() -> None:
    """Each section into its Struct."""
    text = """
opensearch: {hosts: ["http://127.0.0.1:9200"]}
regions: [eu-central-2, us-east-1]
retention: {days: 3650}
state: {dir: /srv/state}
"""
    config = parse(text, CompanionConfig, name="auditship.yaml")
    assert config.opensearch is not None
    assert config.opensearch.hosts == ("http://127.0.0.1:9200",)
    assert config.regions == ("eu-central-2", "us-east-1")
    assert (config.retention.days, config.state.dir) == (3650, "/srv/state")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("retention: {day: 5}", "auditship.yaml:1: retention.day: unknown setting"),
        ("retention: {days: 0}", "retention.days"),
        ("retention: {days: 3651}", "retention.days"),
        ("regions: [EU]", "regions"),
        ("regions: eu", "regions"),
        ("opensearch: {hosts: ['http://os.example:9200']}", "unencrypted"),
    ],
)
def test_a_wrong_setting_is_told_with_its_place(text: str, told: str) -> None:
    """File, line, key and what to do."""
    with pytest.raises(ConfigError) as refused:
        parse(text, CompanionConfig, name="auditship.yaml")
    assert told in str(refused.value)


def test_without_a_file_the_default_file_is_read_where_it_exists(tmp_path: Path) -> None:
    """Else the defaults hold."""
    default = tmp_path / "auditship.yaml"
    assert load_config(None, default=default) == CompanionConfig()
    default.write_text("retention: {days: 30}")
    assert load_config(None, default=default).retention.days == 30


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """The defaults never stand in for a misspelt path."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")


def test_without_cluster_and_node_both_ways_are_told(tmp_path: Path) -> None:
    """Start one, or name one."""
    path = tmp_path / "auditship.yaml"
    path.write_text(f"state: {{dir: '{tmp_path}'}}")
    with pytest.raises(ConfigError, match="no cluster") as refused:
        open_client(path)
    assert "auditship up" in (refused.value.hint or "")
    assert "opensearch.hosts" in (refused.value.hint or "")


def test_configured_hosts_are_used(tmp_path: Path) -> None:
    """Nothing is sent yet."""
    path = tmp_path / "auditship.yaml"
    path.write_text("opensearch: {hosts: ['http://127.0.0.1:9']}")
    client, config = open_client(path)
    with client:
        assert config.opensearch is not None
