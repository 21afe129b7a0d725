#!/usr/bin/env bash
# All that only a GPU shows, in calls of at most ten minutes: tests, benchmarks beside the plain baseline, a whole run.
#   benchmarks/on_gpu.sh [FOLDER]        results as text in FOLDER [gpu_results], a summary in FOLDER/summary.txt
# A part that is there already is left out: call it again after an interruption, or with PARTS="tests speed".
set -uo pipefail
cd "$(dirname "$0")/.."
OUT=${1:-gpu_results}
PYTHON=${PYTHON:-python}
PARTS=${PARTS:-"machine tests golden scripts speed whole_250 sampling memory instant translation whole_run_250 large"}
mkdir -p "$OUT"

part() { # name, then the command: runs it once, and keeps what it prints
    local name=$1
    shift
    case " $PARTS " in *" $name "*) ;; *) return ;; esac
    [ -e "$OUT/$name.done" ] && return
    echo "== $name: $*"
    local start=$SECONDS
    if timeout 600 "$@" > "$OUT/$name.txt" 2>&1; then
        touch "$OUT/$name.done"
        echo "$name: done in $((SECONDS - start)) s" | tee -a "$OUT/summary.txt"
    else
        echo "$name: FAILED or cut off after $((SECONDS - start)) s, see $OUT/$name.txt" | tee -a "$OUT/summary.txt"
    fi
    tail -n 12 "$OUT/$name.txt" | sed 's/^/    /' >> "$OUT/summary.txt"
}

part machine "$PYTHON" -c "import torch; print(torch.__version__, torch.cuda.get_device_name(), torch.cuda.mem_get_info())"
part tests "$PYTHON" -m pytest -q tests/engines/test_cuda.py tests/translation/test_cuda.py -p no:cacheprovider
part golden "$PYTHON" -m pytest -q tests/test_golden.py tests/test_translation_golden.py -p no:cacheprovider
part scripts "$PYTHON" -m pytest -q -m "slow or not slow" tests/test_readme.py tests/test_demo.py -p no:cacheprovider
part speed "$PYTHON" benchmarks/speed.py --device cuda --engines eager cudagraph
part whole_250 "$PYTHON" benchmarks/whole_run.py --device cuda --sizes 250 --baseline
part sampling "$PYTHON" benchmarks/sampling.py --device cuda
part memory "$PYTHON" benchmarks/memory.py --device cuda --baseline
part instant "$PYTHON" benchmarks/instant.py Input/Images/mountains.png --device cuda
part translation "$PYTHON" benchmarks/translation.py --device cuda --engines eager cudagraph --nets unet_64:16:64 unet_256:64:256
part whole_run_250 "$PYTHON" main_train.py --input_name mountains.png --manualSeed 1 --out "$OUT/Output"
part large "$PYTHON" benchmarks/memory.py --device cuda --sizes 1024
cat "$OUT/summary.txt"
