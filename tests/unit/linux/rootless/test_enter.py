"""What of entering namespaces needs none."""

from yurt.linux.rootless.enter import with_system_folders


def test_the_system_s_programs_are_found() -> None:
    """Behind what the user looks at first; nothing twice."""
    assert with_system_folders("/home/a/bin:/usr/bin") == (
        "/home/a/bin:/usr/bin:/usr/local/sbin:/usr/sbin:/sbin:/bin"
    )
    assert with_system_folders("").split(":")[0] == "/usr/local/sbin"
