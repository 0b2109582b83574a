"""The command line at a terminal."""

import time

from tests.e2e.cli_host import IMAGE

PROMPT = b"# "


def test_a_shell_has_the_terminal_s_size_and_exit_code(yurt, name):
    """The size is known from the start, follows, and `exit` passes its code on."""
    shell = yurt.terminal("run", "-it", "--rm", "--name", name, IMAGE, "sh")
    shell.wait_for(PROMPT)
    shell.type(b"stty size\n")
    shell.wait_for(b"24 80")
    shell.resize(40, 120)
    for _ in range(20):
        shell.type(b"stty size; echo end\n")
        shell.wait_for(b"end\r\n")
        if b"40 120" in yurt("exec", name, "sh", "-c", "stty size < /proc/1/fd/0").out.encode():
            break
    shell.type(b"stty size\n")
    shell.wait_for(b"40 120")
    shell.type(b"exit 5\n")
    assert shell.exit_code() == 5


def test_the_detach_keys_leave_it_running(yurt, name):
    """ctrl-p ctrl-q leaves with 0, the container goes on, and can be joined again."""
    shell = yurt.terminal("run", "-it", "--name", name, IMAGE, "sh")
    shell.wait_for(PROMPT)
    shell.type(b"\x10\x11")
    assert shell.exit_code() == 0
    assert yurt("ps", "-q", "--filter", f"name={name}").out
    again = yurt.terminal("attach", name)
    again.type(b"\n")
    again.wait_for(PROMPT)
    again.type(b"exit 3\n")
    assert again.exit_code() == 3


def test_ctrl_c_reaches_the_program(yurt, name):
    """Without a terminal inside, the signal is passed on and its exit code comes back."""
    script = "trap 'echo got it; exit 9' INT; echo ready; while :; do sleep 0.1; done"
    program = yurt.terminal("run", "--rm", "--name", name, IMAGE, "sh", "-c", script)
    program.wait_for(b"ready")
    program.type(b"\x03")
    program.wait_for(b"got it")
    assert program.exit_code() == 9


def test_three_interrupts_leave(yurt, name):
    """A container that ignores the signal does not hold the person: 130, and how to end it."""
    program = yurt.terminal(
        "run", "--rm", "--name", name, IMAGE, "sh", "-c", "trap '' INT; echo ready; sleep 60"
    )
    program.wait_for(b"ready")
    for _ in range(10):  # signals that come while one is being passed on may fall into one
        program.type(b"\x03")
        if program.shows(b"the container goes on", within=0.5):
            break
    assert program.exit_code() == 130


def test_exec_at_a_terminal(yurt, name):
    """A terminal of its own size, Ctrl-C for the program and not for us."""
    yurt("run", "-d", "--name", name, IMAGE, "sleep", "60")
    shell = yurt.terminal("exec", "-it", name, "sh")
    shell.wait_for(PROMPT)
    shell.type(b"sleep 50\n")
    while "sleep 50" not in yurt("top", name).out:
        time.sleep(0.05)
    shell.type(b"\x03")
    shell.wait_for(PROMPT)
    shell.type(b"echo $((6 * 7))\n")
    shell.wait_for(b"42")
    shell.type(b"exit 4\n")
    assert shell.exit_code() == 4


def test_ctrl_c_ends_following_quietly(yurt, name):
    """130 and no traceback."""
    yurt("run", "-d", "--name", name, IMAGE, "sh", "-c", "echo ready; sleep 60")
    following = yurt.terminal("logs", "-f", name)
    following.wait_for(b"ready")
    following.type(b"\x03")
    assert following.exit_code() == 130
    assert b"Traceback" not in following.seen


def test_a_terminal_is_needed_for_a_terminal(yurt):
    """-it in a pipe is refused with the way out."""
    done = yurt("run", "--rm", "-it", IMAGE, "true")
    assert done.code == 1
    assert done.err.startswith("yurt: the input is not a terminal\nhint: leave out -t")


def test_ctrl_c_ends_a_build_and_what_it_runs(yurt, tmp_path):
    """At once; the terminal is left in a line of its own, and a later build goes on from what was made."""
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo rea''d''y; sleep 600\n")
    building = yurt.terminal("build", "--no-cache", str(tmp_path))
    building.wait_for(b"ready", timeout=60)
    pressed = time.monotonic()
    building.type(b"\x03")
    assert building.exit_code() == 130
    assert time.monotonic() - pressed < 5  # a second where nothing else runs
    if b"CANCELED" in building.seen:
        assert building.seen.endswith(b"\n\x1b[J")
