"""Train a SinGAN on one picture, then draw random samples from it."""

from SinGAN.terminal.script import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds


import time
from collections.abc import Sequence

import torch

import config
from SinGAN import manipulate
from SinGAN.runs import obtain as jobs
from SinGAN.runs import recorder as records
from SinGAN.runs.progress import duration, peak_memory
from SinGAN.saved_models.manifest import Manifest
from SinGAN.storage import layout


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = config.parser(__doc__, modes=["train"])
    parser.add_argument("--num_samples", type=config.count, default=50, help="drawn at the end [%(default)s]")
    parser.add_argument("--tensorboard", action="store_true", help="write losses and images as TensorBoard events")
    run, args = config.parse(parser, argv, __file__)
    job = run.job(run.model, "train")
    next_command = f"try next: python random_samples.py --mode random_samples --gen_start_scale 1 {run.model_flags()}"
    samples = layout.random_samples(run.out, run.name, start_scale=0)
    whole = 0 if run.overwrite else job.whole_scales()
    is_there = whole == len(job.plan.sizes)
    if is_there:
        print(f"trained model already exist: {job.folder}")
    elif whole:
        print(f"{job.folder} is incomplete, {whole} of {len(job.plan.sizes)} scales: going on with the next")
    if not (is_there and (samples / "grid.png").exists()):
        started = time.monotonic()
        pyramid = jobs.train_model(job, run.overwrite, args.tensorboard)
        seed = Manifest.read(job.folder).seed  # of a training that went on: the one that it began with
        rng = torch.Generator(run.device).manual_seed(seed)
        records.write_samples(samples, manipulate.sample(pyramid, rng, args.num_samples))
        took, memory = duration(time.monotonic() - started), peak_memory(run.device) / 2**30
        if not is_there:
            print(f"trained in {took}, peak memory {memory:.1f} GB, random seed {seed}: {job.folder}")
        print(f"{args.num_samples} random samples: {samples}, all on one sheet: {samples / 'grid.png'}")
    print(next_command)


if __name__ == "__main__":
    main()
