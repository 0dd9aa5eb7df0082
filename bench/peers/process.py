"""The processes that compare.py talks to: one line in, one line out."""
import os, pathlib, subprocess


class Process:
    """A worker or the calibrator. One line in, one line out; every failure is a RuntimeError that names it."""

    def __init__(self, command, hidden, home, log, **environment):
        env = {**os.environ, **environment, "HIDE_ISA": hidden}
        if hidden:
            env["LD_PRELOAD"] = str(home / "hide_isa.so")
            if not (home / "hide_isa.so").exists():  # the loader would go on without it
                raise RuntimeError(f"{home}/hide_isa.so is missing, expected setup.py to have made it")
        self.log = open(log, "w+")
        self.child = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, env=env)
        self.version = self.line().removeprefix("ready ").strip()

    def line(self):
        line = self.child.stdout.readline()
        if line:
            return line.strip()
        code = self.child.wait()
        self.log.seek(0)
        said = [s for s in self.log.read().strip().splitlines() if s.strip()]
        raise RuntimeError((f"signal {-code}" if code < 0 else f"exit code {code}") + (": " + said[-1][:200] if said and code > 0 else ""))

    def ask(self, text=""):
        try:
            print(text, file=self.child.stdin, flush=True)
        except BrokenPipeError:
            pass
        return self.line()

    def peak_mb(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        try:
            self.child.stdin.close()
            self.child.wait(30)
        except BrokenPipeError:
            self.child.wait()
        except subprocess.TimeoutExpired:
            self.child.kill()
        self.log.close()


def busy():
    """CPU seconds that all processes of the machine, and its host, have taken."""
    ticks = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
