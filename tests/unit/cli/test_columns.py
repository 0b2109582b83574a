import pytest

from yurt.cli import columns


def test_a_part_of_the_build_cache():
    """With Docker's fields; what was never used was not used at a moment."""
    entry = {"ID": "0123456789abcdef", "Type": "regular", "Size": 1500, "Shared": True, "UsageCount": 2}
    row = columns.cache_row(entry, full=False)
    assert (row["ID"], row["CacheType"], row["Size"]) == ("0123456789ab", "regular", "1.5kB")
    assert (row["Shared"], row["InUse"], row["LastUsedSince"]) == ("true", "false", "N/A")
    assert columns.cache_row(entry, full=True)["ID"] == entry["ID"]


def port(private, public=0, address="", kind="tcp"):
    return {"PrivatePort": private, "Type": kind} | ({"PublicPort": public, "IP": address} if public else {})


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ([], ""),
        ([port(80)], "80/tcp"),
        ([port(81), port(80), port(82)], "80-82/tcp"),
        ([port(80), port(443)], "80/tcp, 443/tcp"),
        ([port(53, kind="udp"), port(53)], "53/tcp, 53/udp"),
        ([port(80, 8080, "0.0.0.0"), port(80, 8080, "::")], "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"),
        (
            [port(80, 8080, "0.0.0.0"), port(81, 8081, "0.0.0.0")],
            "0.0.0.0:8080->80/tcp, 0.0.0.0:8081->81/tcp",
        ),
        ([port(80, 80, "0.0.0.0"), port(81, 81, "0.0.0.0")], "0.0.0.0:80-81->80-81/tcp"),
        ([port(8000), port(8025, 8025, "127.0.0.1")], "8000/tcp, 127.0.0.1:8025->8025/tcp"),
    ],
)
def test_ports_read_as_in_docker(ports, text):
    """Neighbours under their own number are joined, others stand alone and last."""
    assert columns.ports_text(ports) == text


@pytest.mark.parametrize(
    ("tags", "digests", "shown"),
    [
        (["a:1", "a:2"], [], [("a", "1", "<none>"), ("a", "2", "<none>")]),
        (["h:5000/a:1"], ["h:5000/a@sha256:ff"], [("h:5000/a", "1", "sha256:ff")]),
        ([], [], [("<none>", "<none>", "<none>")]),
        (["<none>:<none>"], [], [("<none>", "<none>", "<none>")]),
        ([], ["a@sha256:ff"], [("a", "<none>", "sha256:ff")]),
        (None, None, [("<none>", "<none>", "<none>")]),
    ],
)
def test_an_image_has_a_row_for_each_tag(tags, digests, shown):
    """Names and tags come apart at the right colon; no tag is <none>."""
    entry = {"Id": "sha256:" + "ab" * 32, "Created": 0, "Size": 5, "RepoTags": tags, "RepoDigests": digests}
    rows = columns.image_rows(entry, full=False)
    assert [(row["Repository"], row["Tag"], row["Digest"]) for row in rows] == shown
    assert rows[0]["ID"] == "abababababab"


def test_stats_are_computed_as_docker_does():
    """The share counts all processors; the page cache that can be dropped is no use of memory."""
    entry = {
        "id": "ab" * 32,
        "name": "/web",
        "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
        "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
        "memory_stats": {"usage": 3 << 20, "limit": 4 << 20, "stats": {"inactive_file": 1 << 20}},
        "networks": {"eth0": {"rx_bytes": 736, "tx_bytes": 84}},
        "blkio_stats": {
            "io_service_bytes_recursive": [{"op": "Read", "value": 1000}, {"op": "write", "value": 5}]
        },
        "pids_stats": {"current": 3},
    }
    row = columns.stats_row(entry)
    assert row["CPUPerc"] == "40.00%"
    assert (row["MemUsage"], row["MemPerc"]) == ("2MiB / 4MiB", "50.00%")
    assert (row["NetIO"], row["BlockIO"], row["PIDs"]) == ("736B / 84B", "1kB / 5B", "3")


def test_stats_of_a_stopped_container_are_zeros():
    """Nothing is known of one that does not run."""
    row = columns.stats_row({"id": "", "name": "/x"})
    assert (row["CPUPerc"], row["MemUsage"], row["PIDs"]) == ("0.00%", "0B / 0B", "0")
