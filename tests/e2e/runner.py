"""Tests of a server process: each a function that takes the shared server, or starts one of its own."""
import os
import subprocess
import sys
import time

from client import COMMAND, Failure, Server, check

TESTS = []


class Options:
    memory = 400  # MiB that a siege may add to the resident size
    fake = False  # the command is fake_server, whose speed can be set


def test(function):
    TESTS.append(function)
    return function


def only_fake(function):
    function.only_fake = True
    return test(function)


def main(usage):
    """Runs the tests of the program that imports this, as its usage says."""
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    arguments = sys.argv[1:]
    chosen = None
    if arguments[:1] == ["--only"]:
        chosen, arguments = arguments[1].split(","), arguments[2:]
    if arguments[:1] == ["--memory"]:
        Options.memory, arguments = int(arguments[1]), arguments[2:]
    if not arguments:
        sys.exit(usage)
    COMMAND[:] = arguments
    Options.fake = "fake" in os.path.basename(COMMAND[0])
    failed = []
    shared = None
    for function in TESTS:
        name = function.__name__
        if (chosen and name not in chosen) or (getattr(function, "only_fake", False) and not Options.fake):
            continue
        begin = time.monotonic()
        try:
            takes_server = function.__code__.co_varnames[0] == "server"
            if takes_server and shared is None:
                shared = Server()
            function(shared if takes_server else None)
            check(shared is None or shared.process.poll() is None, "the shared server died")
            verdict = "ok"
        except (Failure, OSError, AssertionError, KeyError, AttributeError, TypeError, ValueError,
                subprocess.SubprocessError) as e:
            failed.append(name)
            verdict = f"FAILED: {type(e).__name__}: {e}"
            if not isinstance(e, Failure):
                import traceback
                traceback.print_exc()
        print(f"{name:20} {time.monotonic() - begin:5.1f} s  {verdict}", flush=True)
    if shared is not None:
        code = shared.stop()
        if code != 0:
            failed.append("exit")
            print(f"the shared server exited {code}")
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
