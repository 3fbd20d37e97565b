"""The lines of a log that say why a node died."""

from pathlib import Path

from auditship_indexer.node.lastwords import decisive_lines, hint_for, read_tail

LOG = """\
[2026-04-14T10:00:00,000][INFO ][o.o.n.Node               ] [embedded] initializing ...
[2026-04-14T10:00:01,000][ERROR][o.o.b.OpenSearchUncaughtExceptionHandler] [embedded] uncaught exception in thread [main]
org.opensearch.bootstrap.StartupException: BindHttpException[Failed to bind to 127.0.0.1:9200]; nested: BindException[Address already in use];
\tat org.opensearch.bootstrap.OpenSearch.init(OpenSearch.java:173) ~[opensearch-3.8.0.jar:3.8.0]
Caused by: org.opensearch.http.BindHttpException: Failed to bind to 127.0.0.1:9200
\tat org.opensearch.http.Server.bind(Server.java:1) ~[opensearch-3.8.0.jar:3.8.0]
Caused by: java.net.BindException: Address already in use
\t... 9 more
"""  # noqa: E501 - lines as the node writes them


def test_causes_are_told_and_wrappers_are_not() -> None:
    """Of a stack trace the causes remain, the innermost last."""
    assert decisive_lines(LOG) == [
        "org.opensearch.http.BindHttpException: Failed to bind to 127.0.0.1:9200",
        "java.net.BindException: Address already in use",
    ]


def test_hint_follows_from_the_cause() -> None:
    """A taken port says to choose another, and where the whole log is."""
    hint = hint_for(decisive_lines(LOG), Path("/n/logs/a.log"))

    assert hint == "choose another port, or end what listens there; the whole log: /n/logs/a.log"


def test_lines_before_logging_starts_count() -> None:
    """What Java itself prints on a bad option is decisive."""
    text = "Unrecognized VM option 'Nope'\nError: Could not create the Java Virtual Machine.\n"

    assert decisive_lines(text) == text.splitlines()


def test_quoted_options_decide_nothing() -> None:
    """A line of level INFO that names an error in passing is not a cause."""
    text = (
        "[t][INFO ][o.o.n.Node] [embedded] JVM arguments [-XX:+ExitOnOutOfMemoryError]\nError: x\n"
    )

    assert decisive_lines(text) == ["Error: x"]


def test_log_without_a_known_line_gives_its_end() -> None:
    """When nothing is recognized, the last lines are better than silence."""
    assert decisive_lines("\n".join(f"line {n}" for n in range(20))) == [
        f"line {n}" for n in range(14, 20)
    ]


def test_silence_hints_at_memory() -> None:
    """A node that ended without a word was probably killed by the kernel."""
    assert "memory" in hint_for([], Path("x"))


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    """A log of any size costs the same to look at; a missing one is empty."""
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * 1_000_000 + b"end")

    assert len(read_tail(log)) == 65_536
    assert read_tail(log).endswith("end")
    assert read_tail(log, since=1_000_001) == "nd"
    assert len(read_tail(log, since=2_000_000)) == 65_536
    assert read_tail(tmp_path / "none") == ""
