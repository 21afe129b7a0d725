"""A check that this checkout writes the same files as another one, bit for bit, as a refactoring must.

    git clone . ../before && git -C ../before checkout REVISION
    python benchmarks/same_bits.py ../before

Every case is a few commands with fixed seeds, run in both checkouts by one Python on one thread. All files below the
output folder are compared, except manifest.json, which contains versions. Cases called ``takes over`` begin in the
other checkout and end in this one, which uses its models and resumes its trainings.
"""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
SMALL = "--input_name rocket.png --not_cuda --max_size 48 --min_size 20 --nfc 16 --min_nfc 16 --niter 8 --manualSeed 1"
TRAIN = f"main_train.py {SMALL} --num_samples 3"
OPTIONS = {
    "depth": "--num_layer 4",
    "hinge": "--gan_mode hinge",
    "vanilla": "--gan_mode vanilla",
    "lsgan": "--gan_mode lsgan",
    "clipped": "--gan_mode wgan",
    "no penalty": "--lambda_grad 0",
    "no residual": "--no_residual",
    "no reconstruction": "--alpha 0",
    "texture": "--texture_weight 2 --vgg_weights VGG",
    "perceptual": "--perceptual_weight 3 --vgg_weights VGG",
    "both, no reconstruction": "--alpha 0 --texture_weight 1 --perceptual_weight 2 --vgg_weights VGG",
    "multiscale": "--netD multiscale --num_layer 2",
    "sesame": "--netD sesame",
    "dropout": "--stochastic dropout --dropout 0.3",
    "weights": "--stochastic weights",
    "sketch": "--sketch_scales 1",
    "redrawn": "--z_rec redrawn",
    "grey": "--nc_im 1",
    "growing": "--nfc 16 --min_nfc 4 --scale_factor 0.85",
    "steps": "--Gsteps 1 --Dsteps 2 --gamma 0.5 --beta1 0.3 --lr_g 0.001 --lr_d 0.002 --noise_amp 0.3",
    "compiled": "--engine compiled",
    "compiled texture": "--engine compiled --texture_weight 2 --perceptual_weight 1 --vgg_weights VGG",
    "compiled plain": "--engine compiled --winograd never",
    "eager plain": "--engine eager --winograd never",
    "recomputed": "--recompute always",
    "recomputed sesame": "--recompute always --netD sesame",
    "recomputed looks": "--recompute always --texture_weight 2 --perceptual_weight 1 --vgg_weights VGG",
    "bf16": "--precision bf16",
    "concurrent": "--train_mode concurrent --train_stages 3",
    "concurrent editing": "--train_mode concurrent --train_stages 3 --recipe editing",
    "filters": "--nfc 32 --min_nfc 32 --max_size 64",
}
APPLICATIONS = {
    "samples": "random_samples.py --mode random_samples --gen_start_scale 1 --num_samples 4 USE",
    "wide": "random_samples.py --mode random_samples_arbitrary_sizes --scale_h 2 --scale_v 1.3 --num_samples 4 USE",
    "wide from 1": "random_samples.py --mode random_samples_arbitrary_sizes --scale_h 1.7 --gen_start_scale 1 "
    "--num_samples 2 USE",
    "harmonization": "harmonization.py --ref_name x.png --ref_dir REF --harmonization_start_scale all "
    "--num_samples 2 USE",
    "editing": "editing.py --ref_name rocket_edit.png --editing_start_scale all USE",
    "paint": "paint2image.py --ref_name rocket_paint.png --paint_start_scale 1 USE",
    "quantized paint": "paint2image.py --ref_name rocket_paint.png --paint_start_scale 1 2 --quantization_flag USE",
    "export": "-m SinGAN.export OUT/TrainedModels/rocket/scale_factor=0.750000,alpha=10 --to torchscript",
    "evaluation": "SIFID/evaluate.py --num_samples 3 --weights INCEPTION USE",
}
OTHERS = {
    "super resolution": "SR.py --not_cuda --input_name rocket.png --max_size 40 --nfc 16 --min_nfc 16 --niter 4 "
    "--manualSeed 2 --sr_factor 2 --out OUT",
    "animation": "animation.py --not_cuda --input_name rocket.png --max_size 40 --nfc 16 --min_nfc 16 --niter 4 "
    "--manualSeed 2 --num_frames 6 --animation_start_scale 0 1 --beta_animation 0.9 --out OUT",
    "animation of dropout": "animation.py --not_cuda --input_name rocket.png --max_size 40 --nfc 16 --min_nfc 16 "
    "--niter 4 --manualSeed 2 --num_frames 4 --animation_start_scale 0 --no_residual --out OUT",
    "several pictures": "main_train.py --not_cuda --input_name rocket.png coffee_LR.png --max_size 40 --nfc 8 "
    "--min_nfc 8 --niter 3 --manualSeed 3 --num_samples 2 --jobs 2 --out OUT",
    "study": "study.py --not_cuda --input_name rocket.png --max_size 40 --nfc 8 --min_nfc 8 --niter 3 --manualSeed 3 "
    "--vary alpha=1,10 --vary netD=patch,sesame --num_samples 3 --weights INCEPTION --out OUT",
}
LEFT_OUT = {"manifest.json", "SIFID.csv", "model.pt"}  # versions, places, and names of source files


@dataclass(frozen=True)
class Case:
    """Commands that share an output folder; the first may be cut off, or run in the other checkout."""

    name: str
    commands: tuple[str, ...]
    first_elsewhere: bool = False
    cut: bool = False  # the first is killed in its second scale, and run again


def cases() -> list[Case]:
    """All cases, the long ones first."""
    trained = f"{TRAIN} --out OUT"
    compiled = [Case(name, (f"{trained} {flags}",)) for name, flags in OPTIONS.items() if "compiled" in flags]
    others = [Case(name, (f"{trained} {flags}",)) for name, flags in OPTIONS.items() if "compiled" not in flags]
    used = Case("applications", (trained, *APPLICATIONS.values()))
    alone = [Case(name, (command,)) for name, command in OTHERS.items()]
    variants = [
        Case(
            f"applications of {name}", (f"{trained} {OPTIONS[name]}", *(APPLICATIONS[use] for use in ("wide", "paint")))
        )
        for name in ("no residual", "sesame", "dropout", "weights", "sketch")
    ]
    taken_over = [
        Case("takes over: applications", (trained, *APPLICATIONS.values()), first_elsewhere=True),
        Case("takes over: unfinished", (f"{trained} --checkpoint_every 0 --niter 60",), True, cut=True),
        Case(
            "takes over: unfinished concurrent",
            (f"{trained} {OPTIONS['concurrent']} --checkpoint_every 0 --niter 60",),
            True,
            cut=True,
        ),
    ]
    return [*compiled, used, *variants, *alone, *taken_over, *others]


class Checkout:
    """A copy of the project, in which commands are run."""

    def __init__(self, root: Path, python: str, helpers: Path) -> None:
        self.root, self.python, self.helpers = root.resolve(), python, helpers

    def command(self, text: str, out: Path) -> list[str]:
        """The words of the command ``text``; OUT stands for ``out``, USE for the flags of an application."""
        places = {"OUT": out, "REF": self.helpers, "VGG": self.helpers / "vgg.pth", "INCEPTION": self.helpers / "i.pth"}
        text = text.replace("USE", "--input_name rocket.png --not_cuda --manualSeed 5 --out OUT")
        words = [str(places.get(word, word)).replace("OUT/", f"{out}/") for word in text.split()]
        return [self.python, *words]

    def start(self, text: str, out: Path) -> "subprocess.Popen[str]":
        """The process of the command ``text``."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.command(text, out), cwd=self.root, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )

    def run(self, text: str, out: Path) -> str:
        """Run the command ``text``; returns its error, "" where it went well."""
        process = self.start(text, out)
        output, _ = process.communicate()
        return "" if process.returncode == 0 else f"{text.split()[0]} exit {process.returncode}: {output[-300:]}"

    def run_until_second_scale(self, text: str, out: Path) -> None:
        """Run the command ``text``, and kill it in its second scale, once it has a checkpoint there."""
        process = self.start(text, out)
        while process.poll() is None:
            if list(out.glob("*/*/*/0/netD.pth")) and list(out.glob("*/*/*/checkpoint.pth")):
                time.sleep(0.3)
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
        process.wait()


def contents(out: Path) -> dict[str, str]:
    """The SHA-256 of every file below ``out``, by its path."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in LEFT_OUT]
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes().replace(str(out).encode(), b"OUT")).hexdigest()
        for path in files
    }


def compare(case: Case, this: Checkout, other: Checkout, folder: Path) -> str:
    """The difference between the checkouts in ``case``; "" without one. The other's results are kept for next time."""
    name = case.name.replace(" ", "_").replace(":", "")
    expected, actual = folder / "theirs" / name, folder / "ours" / name
    shutil.rmtree(actual, ignore_errors=True)
    if not (expected / "whole").exists():
        shutil.rmtree(expected, ignore_errors=True)
        errors = [other.run(command, expected) for command in case.commands]
        if any(errors):
            return f"there: {errors}"
        (expected / "whole").touch()
    errors = run_case(case, this, other, actual)
    if any(errors):
        return f"here: {[error for error in errors if error]}"
    hashes, others = contents(actual), contents(expected)
    others.pop("whole")
    different = sorted(file for file in others.keys() | hashes.keys() if others.get(file) != hashes.get(file))
    return f"{len(different)} of {len(others)} files differ: {different[:6]}" if different else ""


def run_case(case: Case, this: Checkout, other: Checkout, out: Path) -> list[str]:
    """Run ``case`` into ``out``, in this checkout, or begin it in the other one; returns the commands' errors."""
    first = other if case.first_elsewhere else this
    if case.cut:
        first.run_until_second_scale(case.commands[0], out)
        return [this.run(case.commands[0], out)]
    return [first.run(case.commands[0], out), *(this.run(command, out) for command in case.commands[1:])]


def helpers_in(folder: Path) -> Path:
    """Fill ``folder`` with untrained weights of VGG16 and Inception, and a reference with its mask, and return it."""
    import torch
    import torchvision
    from PIL import Image, ImageDraw

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    vgg = torchvision.models.vgg16(weights=None)
    torch.save({name: value for name, value in vgg.state_dict().items() if "features" in name}, folder / "vgg.pth")
    inception = torchvision.models.Inception3(aux_logits=False, transform_input=False, init_weights=False)
    torch.save(inception.state_dict(), folder / "i.pth")
    picture = Image.open(HERE / "Input" / "Images" / "rocket.png").convert("RGB")
    mask = Image.new("RGB", picture.size)
    for image, colour in ((picture, "orange"), (mask, "white")):
        ImageDraw.Draw(image).ellipse((20, 20, 60, 50), fill=colour)
    picture.save(folder / "x.png")
    mask.save(folder / "x_mask.png")
    return folder


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("other", type=Path, help="the other checkout")
    flags.add_argument("--folder", type=Path, default=Path("Output/same_bits"), help="of all results [%(default)s]")
    flags.add_argument("--only", nargs="+", default=[""], help="cases whose name contains one of these")
    flags.add_argument("--without", nargs="+", default=[], help="leave out cases whose name contains one of these")
    flags.add_argument("--jobs", type=int, default=2, help="number of parallel cases [%(default)s]")
    args = flags.parse_args()
    folder = args.folder.resolve()
    helpers = folder / "helpers"
    if not (helpers / "x_mask.png").exists():
        helpers_in(helpers)
    this, other = (Checkout(root, sys.executable, helpers) for root in (HERE, args.other))
    selected = [
        case
        for case in cases()
        if any(part in case.name for part in args.only) and not any(part in case.name for part in args.without)
    ]
    failed = 0
    with ThreadPoolExecutor(args.jobs) as pool:
        for case, difference in zip(
            selected, pool.map(lambda case: compare(case, this, other, folder), selected), strict=True
        ):
            print(f"{case.name}: {difference or 'the same'}", flush=True)
            failed += bool(difference)
    print(f"{len(selected)} cases, {failed} differ")
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
