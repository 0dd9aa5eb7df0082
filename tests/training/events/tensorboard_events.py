#!/usr/bin/env python3
"""Our event files, opened with the real tensorboard.

    tensorboard_events.py DEMO_EVENTS CACHE_FOLDER

Where tensorboard cannot be imported it is installed into a virtual environment in CACHE_FOLDER; where that fails the test is skipped
(exit code 77) and says why.
"""
import importlib.util, os, subprocess, sys, tempfile
from pathlib import Path


def with_tensorboard(cache):
    """Runs this file again under an interpreter that has tensorboard."""
    python = cache / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(cache)], check=True, capture_output=True, timeout=120)
        known = subprocess.run([str(python), "-c", "import tensorboard"], capture_output=True, timeout=120)
        if known.returncode != 0:
            subprocess.run([str(python), "-m", "pip", "install", "-q", "--retries", "1", "--timeout", "10", "tensorboard"],
                           check=True, capture_output=True, timeout=300)
    except (subprocess.SubprocessError, OSError) as e:
        why = (getattr(e, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
        print(f"SKIPPED: tensorboard is neither installed nor installable here: {why[-1] if why else e}")
        sys.exit(77)
    os.execv(python, [str(python), *sys.argv])


def main():
    demo, cache = sys.argv[1], Path(sys.argv[2])
    if importlib.util.find_spec("tensorboard") is None:
        with_tensorboard(cache)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator, STORE_EVERYTHING_SIZE_GUIDANCE
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([demo, folder], check=True)
        files = sorted(os.listdir(folder))
        assert len(files) == 2 and all(f.startswith("events.out.tfevents.") for f in files), files
        events = EventAccumulator(folder, size_guidance=STORE_EVERYTHING_SIZE_GUIDANCE)
        events.Reload()
        tags = events.Tags()
        assert tags["scalars"] == ["train/loss"], tags
        points = [(e.step, e.value) for e in events.Scalars("train/loss")]
        assert points == [(s, s) for s in range(5)] + [(s, 500 + s) for s in range(5, 10)], points
        assert tags["tensors"] == ["config"], tags
        texts = [(e.step, e.tensor_proto.string_val[0].decode()) for e in events.Tensors("config")]
        assert [t[0] for t in texts] == [0, 5] and all("résumé" in t[1] for t in texts), texts
        plugin = events.SummaryMetadata("config").plugin_data.plugin_name
        assert plugin == "text", plugin
    print("tensorboard reads", points, texts)


main()
