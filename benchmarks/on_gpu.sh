#!/usr/bin/env bash
# All that only a GPU shows, in calls of at most ten minutes: tests, benchmarks beside the plain baseline, whole runs.
#   benchmarks/on_gpu.sh [FOLDER]        results as text in FOLDER [gpu_results], a summary in FOLDER/summary.txt
# What is done already is left out, and trainings go on: call it again after an interruption. In the environment:
#   PARTS="tests speed"   only these            LIMIT=540   begin no part after so many seconds, and cut off the last
#   PYTHON=.venv/bin/python                     DEVICE=cpu ENGINES=eager SIZE=72 LARGE=96   to try the script itself
set -uo pipefail
cd "$(dirname "$0")/.."
OUT=${1:-gpu_results}
PYTHON=${PYTHON:-python}
DEVICE=${DEVICE:-cuda}
SIZE=${SIZE:-250}
LARGE=${LARGE:-1024}
LIMIT=${LIMIT:-1000000}
read -ra engines <<< "${ENGINES:-eager cudagraph}"
ALL="machine tests golden speed whole_run profile candidates training sampling memory large concurrent scripts compiled \
golden_compiled instant start translation threads"
PARTS=${PARTS:-$ALL}
for name in $PARTS; do
    case " $ALL " in *" $name "*) ;; *)
        echo "on_gpu.sh: PARTS has no part $name: take of $ALL" >&2
        exit 2
        ;;
    esac
done
if [ "${DEVICE%%:*}" = cuda ] && ! "$PYTHON" -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
    echo "on_gpu.sh: $PYTHON finds no CUDA device; DEVICE=cpu tries the script itself" >&2
    exit 2
fi
mkdir -p "$OUT" || exit 2
failed=0

part() { # name, then the command: runs it once, and keeps what it prints
    local name=$1
    shift
    case " $PARTS " in *" $name "*) ;; *) return ;; esac
    [ -e "$OUT/$name.done" ] && return
    local start=$SECONDS rest=$((LIMIT - SECONDS))
    if [ "$rest" -le 0 ]; then
        echo "$name: no time is left: call again"
        failed=1
        return
    fi
    echo "== $name: $*"
    if timeout $((rest < 600 ? rest : 600)) "$@" > "$OUT/$name.txt" 2>&1; then
        touch "$OUT/$name.done"
        echo "$name: done in $((SECONDS - start)) s" | tee -a "$OUT/summary.txt"
    else
        echo "$name: FAILED or cut off after $((SECONDS - start)) s, see $OUT/$name.txt" | tee -a "$OUT/summary.txt"
        failed=1
    fi
    tail -n 12 "$OUT/$name.txt" | sed 's/^/    /' >> "$OUT/summary.txt"
}

benchmark() { # name of the part, benchmark, then its flags
    local name=$1 file=$2
    shift 2
    part "$name" "$PYTHON" "benchmarks/$file.py" --device "$DEVICE" "$@"
}

all=(-m pytest -q -p no:cacheprovider -m "slow or not slow")
part machine "$PYTHON" -c "import sys, torch; d = torch.device('$DEVICE'); print(torch.__version__, sys.version, d)
if d.type == 'cuda': print(torch.cuda.get_device_name(), torch.cuda.mem_get_info(), torch.version.cuda)"
part tests "$PYTHON" "${all[@]}" tests/engines/test_cuda.py tests/translation/test_cuda.py
part golden "$PYTHON" "${all[@]}" tests/test_golden.py tests/test_translation_golden.py -k "not compiled"
part golden_compiled "$PYTHON" "${all[@]}" tests/test_golden.py -k "on_a_gpu and compiled" # a minute or two each
benchmark speed speed --size "$SIZE" --engines "${engines[@]}"
benchmark whole_run whole_run --sizes "$SIZE" --baseline
benchmark profile speed --size "$SIZE" --scales 0 3 8 --engines "${engines[@]}" --iterations 3 --profile 15
benchmark candidates candidates --size "$SIZE" --scales 0 3 5 8
part training "$PYTHON" main_train.py mountains.png --max_size "$SIZE" --manualSeed 1 --device "$DEVICE" --out "$OUT/Output"
benchmark sampling sampling --sizes $((SIZE / 2)) "$SIZE"
benchmark memory memory --sizes "$SIZE" $((2 * SIZE)) --baseline
benchmark large memory --sizes "$LARGE"
benchmark concurrent whole_run --sizes "$SIZE" --train_mode concurrent
part scripts "$PYTHON" "${all[@]}" tests/test_readme.py tests/test_demo.py
benchmark compiled speed --size "$SIZE" --scales 0 3 8 --engines "${engines[@]}" compiled --iterations 3
part instant "$PYTHON" benchmarks/instant.py Input/Images/mountains.png --device "$DEVICE" --megapixels 0.05 1 --tasks sample
benchmark start start --times 1
benchmark translation translation --engines "${engines[@]}" --nets unet_64:16:64 unet_256:64:256
counts=(1)
while [ $((2 * counts[-1])) -le "$(nproc)" ]; do counts+=($((2 * counts[-1]))); done
part threads "$PYTHON" benchmarks/threads.py --alone --size "$SIZE" --scales 0 3 5 --threads "${counts[@]}" # of the CPU
cat "$OUT/summary.txt"
exit "$failed"
