#!/usr/bin/env python3
"""What compare.py needs, made once in a folder: an environment with the engines from PyPI, llama.cpp's library for each instruction set, and
hide_isa.so. Needs Python 3.11 with venv, a C++ compiler and the network; takes about 8 GB and, for llama.cpp, some minutes.

    setup.py HOME
"""
import os, pathlib, subprocess, sys, tarfile

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = ["numpy==2.4.6", "safetensors==0.8.0", "torch==2.15.0", "transformers==5.17.0", "gguf==0.19.0", "openvino==2026.4.1",
            "onnxruntime==1.32.0", "onnx==1.23.2", "ctranslate2==4.8.5", "diskcache==5.6.3"]
LLAMA = "0.3.36"
AVX512 = ["AVX512", "AVX512_VBMI", "AVX512_VNNI", "AVX512_BF16"]
BUILDS = {"avx2": [], "avx512": AVX512, "amx": AVX512 + ["AMX_TILE", "AMX_INT8", "AMX_BF16"]}


def run(*command, **environment):
    print("+", *command, flush=True)
    subprocess.run([str(c) for c in command], check=True, env={**os.environ, **environment})


def llama(home, python):
    """ggml picks its instruction set when it is built, so there is a library for each; GGML_NATIVE would not know what is hidden later."""
    source = home / f"llama_cpp_python-{LLAMA}"
    if not source.exists():
        run(python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", home, f"llama-cpp-python=={LLAMA}")
        with tarfile.open(home / f"llama_cpp_python-{LLAMA}.tar.gz") as archive:
            archive.extractall(home, filter="data")
    for name, sets in BUILDS.items():
        target = home / f"llama-{name}"
        if (target / "llama_cpp/__init__.py").exists():
            continue
        options = ["-DGGML_NATIVE=OFF", "-DLLAVA_BUILD=OFF", *(f"-DLLAMA_BUILD_{p}=OFF" for p in ("COMMON", "TESTS", "EXAMPLES", "TOOLS", "SERVER")),
                   *(f"-DGGML_{s}=ON" for s in sets)]
        flags = f"-include {HERE / 'tile_config.h'}" if name == "amx" else ""
        run(python, "-m", "pip", "install", "-q", "--no-deps", "--upgrade", "--target", target, "-C", f"build-dir={home}/llama-build-{name}", source,
            CMAKE_ARGS=" ".join(options), CXXFLAGS=flags)


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    home = pathlib.Path(sys.argv[1]).expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    python = home / "venv/bin/python"
    if not python.exists():
        run(sys.executable, "-m", "venv", home / "venv")
    stamp = home / "venv/installed"
    if not stamp.exists() or stamp.read_text().split() != PACKAGES:
        run(python, "-m", "pip", "install", "-q", *PACKAGES)
        stamp.write_text("\n".join(PACKAGES))
    llama(home, python)
    run("cc", "-O1", "-shared", "-fPIC", "-Wl,-z,initfirst", "-o", home / "hide_isa.so", HERE / "hide_isa.c")


if __name__ == "__main__":
    main()
