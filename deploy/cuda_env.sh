#!/usr/bin/env bash
# Where the libraries of python3's torch lie, for binaries that were built on another machine (deploy/build_cuda.sh).
#
#   eval "$(cuda_env.sh)"              prints the line that sets LD_LIBRARY_PATH
#   cuda_env.sh preferd serve ...      runs a command with it
set -euo pipefail
paths=$(python3 - <<'P'
import importlib.util as util, pathlib, sys
spec = util.find_spec("torch")
if not spec:
    sys.exit("cuda_env: error: python3 has no torch")
torch = pathlib.Path(list(spec.submodule_search_locations)[0])
print(":".join(str(p) for p in [torch / "lib", *sorted(torch.parent.glob("nvidia/*/lib"))]))
P
)
export LD_LIBRARY_PATH=$paths${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
[ $# -eq 0 ] || exec "$@"
printf 'export LD_LIBRARY_PATH=%q\n' "$LD_LIBRARY_PATH"
