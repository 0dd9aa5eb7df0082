#!/usr/bin/env bash
# Builds preferd and trainer for NVIDIA GPUs against the libtorch of PyPI's torch, and puts them with what they need into a
# folder that can be copied to another machine with the same torch.
#
#   deploy/build_cuda.sh [--torch FOLDER] [--carried FOLDER] [--output FOLDER] [flags of cmake]
#
# --torch    the package's folder, .../site-packages/torch or unpacked from the wheel; python3's own without it
# --carried  what deploy/carry_dependencies.sh made, on a machine without those packages
# --output   build-cuda/dist without it: preferd, trainer, the benches of bench/gpu, the checks of tests/cuda, lib/, cuda_env.sh
# Takes nvcc 12.4 or newer (on PATH, in CUDA_ROOT or in /usr/local/cuda), g++ 12, cmake 3.25, ninja; needs no GPU. Builds for all GPUs of docs/gpu.md.
# -DPREFERD_EMBED=OFF leaves the default package (42 MB) out. On the machine that built them the binaries find torch's libraries
# by themselves; elsewhere cuda_env.sh says where they are.
set -euo pipefail
die() { printf 'build: error: %s\n' "$*" >&2; exit 1; }
torch='' carried='' output=''
while [ $# -gt 0 ]; do
  case $1 in
    --torch | --carried | --output)
      [ $# -gt 1 ] || die "$1 takes a folder"
      printf -v "${1#--}" %s "$(realpath -m "$2")"
      shift 2 ;;
    *) break ;;
  esac
done
cd "$(dirname "$0")/.."

python() { python3 -c "import importlib.util as u; s = u.find_spec('$1'); print(list(s.submodule_search_locations)[0] if s else '')" 2>/dev/null || true; }
[ -n "$torch" ] || torch=$(python torch)
[ -n "$torch" ] || die "python3 has no torch; name the folder of one with CUDA by --torch"
[ -e "$torch/lib/libtorch_cuda.so" ] || die "$torch/lib/libtorch_cuda.so is not there, expected a torch with CUDA"
nvcc=$(command -v nvcc || true)
cuda=${CUDA_ROOT:-$([ -n "$nvcc" ] && dirname "$(dirname "$(realpath "$nvcc")")" || echo /usr/local/cuda)}
[ -x "$cuda/bin/nvcc" ] || die "$cuda/bin/nvcc is not there; name CUDA's folder by CUDA_ROOT"
for nccl in "$(dirname "$torch")/nvidia/nccl" "$cuda" /usr; do
  [ ! -e "$nccl/include/nccl.h" ] || break
done

rpath='$ORIGIN/lib'
for folder in "$torch/lib" "$(dirname "$torch")"/nvidia/*/lib; do
  [ ! -d "$folder" ] || rpath="$rpath;$folder"
done

cmake --preset cuda -DTORCH_ROOT="$torch" -DCUDA_ROOT="$cuda" -DNCCL_ROOT="$nccl" -DPREFERD_CARRIED="$carried" -DPREFERD_TESTS=OFF \
  -DPREFERD_BENCH=OFF -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON -DCMAKE_INSTALL_RPATH="$rpath" --log-level=WARNING "$@"
cmake --build --preset cuda
needed=$(readelf -d build-cuda/preferd)
case $needed in
  *NEEDED*'[libstdc++'*) ;;
  *) die "the program has a C++ runtime of its own, which does not go together with libtorch's; name another g++ by CXX and remove build-cuda" ;;
esac
output=${output:-$PWD/build-cuda/dist}
mkdir -p "$output/lib"
for source in preferd trainer bench/gpu/*.cu bench/gpu/*.cc tests/cuda/*.cu tests/cuda/*.cc; do
  program=$(basename "${source%.c[uc]}")
  [ ! -x "build-cuda/$program" ] || strip -o "$output/$program" "build-cuda/$program"
done
if [ -n "$carried" ]; then
  install -m 644 "$carried"/lib/*.so.* "$output/lib"
  ln -sfn "$carried/lib" build-cuda/lib
fi
install -m 755 deploy/cuda_env.sh "$output"
du -sh "$output"
