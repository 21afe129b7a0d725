#!/usr/bin/env bash
# All that only a GPU shows, in calls of at most ten minutes on a machine without a network: what settles most comes first.
#   benchmarks/on_gpu.sh [FOLDER]      results as text in FOLDER [gpu_results], a summary in FOLDER/summary.txt, and all
#                                      but models and pictures in FOLDER.tar.gz
# A part that is done is left out: call it again after an interruption, or where FOLDER.tar.gz was copied to. Environment:
#   PARTS="tests speed"     only these             LIMIT=540    begin no part after so many seconds, and cut off the last
#   PYTHON=.venv/bin/python                        WEIGHTS=FILE Inception's for SIFID of the whole trainings' samples
#   DEVICE=cpu ENGINES=eager SIZE=72 SMALL=48 LARGE=80 LAST=1 NITER=4 WHOLE=4 NET="--nfc 8"   to try the script
set -uo pipefail
cd "$(dirname "$0")/.."
OUT=${1:-gpu_results}
PYTHON=${PYTHON:-$(command -v python || command -v python3)}
DEVICE=${DEVICE:-cuda}
SIZE=${SIZE:-250}    # of the pictures that speed and whole trainings are measured on
SMALL=${SMALL:-100}  # of the pictures that each way of training is tried on
LARGE=${LARGE:-1024}
LAST=${LAST:-8}      # the finest scale of a picture of SIZE
NITER=${NITER:-200}  # iterations a scale where ways of training are tried
WHOLE=${WHOLE:-2000} # and in whole trainings
LIMIT=${LIMIT:-1000000}
WEIGHTS=${WEIGHTS:-}
NET=${NET:-}
read -ra engines <<< "${ENGINES:-eager cudagraph}"
ALL="machine tests speed sequential concurrent resume bits bf16 clipping border quantized fine_tuning patches compiled memory \
large whole_run whole_concurrent instant golden golden_compiled scripts"
PARTS=${PARTS:-$ALL}
for name in $PARTS; do
    case " $ALL " in *" $name "*) ;; *)
        echo "on_gpu.sh: PARTS has no part $name: take of $ALL" >&2
        exit 2
        ;;
    esac
done
if [ -z "$PYTHON" ]; then
    echo "on_gpu.sh: no python is found: name one, as PYTHON=.venv/bin/python" >&2
    exit 2
fi
if [ "${DEVICE%%:*}" = cuda ] && ! "$PYTHON" -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
    echo "on_gpu.sh: $PYTHON finds no CUDA device; DEVICE=cpu tries the script itself" >&2
    exit 2
fi
[ -e "$OUT" ] || ! [ -e "$OUT.tar.gz" ] || tar -C "$(dirname "$OUT")" -xzf "$OUT.tar.gz" || exit 2
mkdir -p "$OUT" || exit 2
export OUT PYTHON DEVICE SIZE SMALL LARGE NITER WHOLE WEIGHTS NET
failed=0

part() { # name, then the command: runs it once, and keeps what it prints
    local name=$1
    shift
    case " $PARTS " in *" $name "*) ;; *) return ;; esac
    [ -e "$OUT/$name.done" ] && return
    local start=$SECONDS rest=$((LIMIT - SECONDS)) status
    if [ "$rest" -le 0 ]; then
        echo "$name: no time is left: call again"
        failed=1
        return
    fi
    echo "== $name: $*"
    timeout $((rest < 600 ? rest : 600)) "$@" > "$OUT/$name.txt" 2>&1
    status=$?
    if [ "$status" = 0 ]; then
        touch "$OUT/$name.done"
        echo "$name: done in $((SECONDS - start)) s" | tee -a "$OUT/summary.txt"
    else
        echo "$name: FAILED or cut off after $((SECONDS - start)) s, see $OUT/$name.txt" | tee -a "$OUT/summary.txt"
        failed=1
    fi
    tail -n 12 "$OUT/$name.txt" | sed 's/^/    /' >> "$OUT/summary.txt"
    tar -C "$(dirname "$OUT")" -czf "$OUT.tar.gz" --exclude=Output "$(basename "$OUT")"
}

benchmark() { # name of the part, benchmark, then its flags
    local name=$1 file=$2
    shift 2
    part "$name" "$PYTHON" "benchmarks/$file.py" --device "$DEVICE" "$@"
}

# The functions below run in processes of their own, which a time limit can end.
train() { # folder, size, iterations, then more flags: a training of the mountains
    local place=$1 size=$2 niter=$3
    shift 3
    # shellcheck disable=SC2086 # several flags
    "$PYTHON" main_train.py mountains.png --max_size "$size" --niter "$niter" --manualSeed 1 --device "$DEVICE" \
        --out "$OUT/Output/$place" $NET "$@"
}
whole() { # mode: a whole training, its time, and the measures of its samples
    local start=$SECONDS
    train "$1" "$SIZE" "$WHOLE" --train_mode "$1" --num_samples 50 && echo "$1: $((SECONDS - start)) s in all" || return 1
    [ -z "$WEIGHTS" ] || "$PYTHON" SIFID/evaluate.py --weights "$WEIGHTS" --input_name mountains.png --dims 64 \
        --max_size "$SIZE" --train_mode "$1" --out "$OUT/Output/$1" --device "$DEVICE"
}
resume() { # a training that is stopped within a scale, and goes on
    timeout -s INT 15 bash -c "train resume $SMALL $WHOLE --checkpoint_every 1"
    train resume "$SMALL" "$WHOLE"
}
bits() { # two trainings with one seed: whether their weights are the same
    train bits_1 "$SMALL" "$NITER" && train bits_2 "$SMALL" "$NITER" || return 1
    local one other
    one=$(cd "$OUT/Output/bits_1" && find . -name 'netG.pth' -exec sha256sum {} + | sort)
    other=$(cd "$OUT/Output/bits_2" && find . -name 'netG.pth' -exec sha256sum {} + | sort)
    [ -n "$one" ] && if [ "$one" = "$other" ]; then echo "the same bits"; else echo "other bits"; fi
}
border() {
    "$PYTHON" animation.py mountains.png --max_size "$SMALL" --niter "$NITER" --num_frames 4 --device "$DEVICE" \
        --animation_start_scale 1 \
        --out "$OUT/Output/border" --manualSeed 1 $NET
}
quantized() {
    train quantized "$SMALL" "$NITER" && "$PYTHON" paint2image.py mountains.png --ref_name mountains_paint.png \
        --paint_start_scale 1 --quantization_flag --max_size "$SMALL" --niter "$NITER" --device "$DEVICE" \
        --out "$OUT/Output/quantized" --manualSeed 1 $NET
}
fine_tuning() {
    train tuning "$SMALL" "$NITER" --train_mode concurrent --recipe editing || return 1
    "$PYTHON" editing.py mountains.png --ref_name mountains_edit.png --editing_start_scale 0 --fine_tune "$NITER" \
        --train_mode concurrent --recipe editing --max_size "$SMALL" --niter "$NITER" --device "$DEVICE" \
        --out "$OUT/Output/tuning" --manualSeed 1 $NET
}
patches() { # the published methods
    local size method
    for size in "$SIZE" "$LARGE"; do
        for method in patches denoise; do
            local start=$SECONDS
            "$PYTHON" random_samples.py peaks.jpg --mode random_samples --method "$method" --num_samples 1 --manualSeed 1 \
                --max_size "$size" --device "$DEVICE" --out "$OUT/Output/patches" || return 1
            echo "$method at $size pixels: $((SECONDS - start)) s"
        done
    done
}
export -f train whole resume bits border quantized fine_tuning patches
own() { # name of the part, then one of these functions with its arguments
    local name=$1
    shift
    part "$name" bash -c "set -uo pipefail; $*"
}

tests=(-m pytest -q -p no:cacheprovider -W default -m "slow or not slow")
part machine "$PYTHON" -c "import sys, torch; d = torch.device('$DEVICE'); print(torch.__version__, sys.version, d)
if d.type == 'cuda': print(torch.cuda.get_device_name(), torch.cuda.mem_get_info(), torch.version.cuda)"
part tests "$PYTHON" "${tests[@]}" tests/engines/test_cuda.py tests/translation/test_cuda.py
benchmark speed speed --size "$SIZE" --scales 0 "$LAST" --engines "${engines[@]}" --profile 15
own sequential whole sequential
own concurrent whole concurrent
own resume resume
own bits bits
own bf16 train bf16 "$SMALL" "$NITER" --precision bf16
own clipping train clipping "$SMALL" "$NITER" --gan_mode wgan
own border border
own quantized quantized
own fine_tuning fine_tuning
own patches patches
benchmark compiled speed --size "$SIZE" --scales 0 "$LAST" --engines "${engines[@]}" compiled --iterations 3
benchmark memory memory --sizes "$SIZE" $((2 * SIZE)) --baseline
benchmark large memory --sizes "$LARGE"
benchmark whole_run whole_run --sizes "$SIZE" --baseline
benchmark whole_concurrent whole_run --sizes "$SIZE" --train_mode concurrent
part instant "$PYTHON" benchmarks/instant.py Input/Images/mountains.png --device "$DEVICE" --megapixels 0.05 1 --tasks sample
part golden "$PYTHON" "${tests[@]}" tests/test_golden.py tests/test_translation_golden.py -k "not compiled"
part golden_compiled "$PYTHON" "${tests[@]}" tests/test_golden.py -k "on_a_gpu and compiled" # a minute or two each
part scripts "$PYTHON" "${tests[@]}" tests/test_readme.py tests/test_demo.py
cat "$OUT/summary.txt"
exit "$failed"
