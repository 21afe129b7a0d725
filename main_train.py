"""Train a SinGAN on one picture, then draw random samples from it."""

import time
from collections.abc import Sequence

import config
from SinGAN import images, layout, manipulate, records
from SinGAN.manifest import Manifest, is_trained
from SinGAN.planning import plan_scales
from SinGAN.progress import Progress, duration, peak_memory
from SinGAN.terminal import script
from SinGAN.training import train


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = config.parser(__doc__, modes=["train"])
    parser.add_argument("--num_samples", type=config.count, default=50, help="drawn at the end [%(default)s]")
    parser.add_argument("--tensorboard", action="store_true", help="write losses and images as TensorBoard events")
    run, args = config.parse(parser, argv)
    image = images.read(run.picture, run.net.channels).to(run.device)
    plan = plan_scales(image.shape[2], image.shape[3], run.pyramid)
    manifest = Manifest.of(run.picture, run.options, run.seed, plan, run.device, noise_padding=False)
    next_command = f"try next: python random_samples.py --mode random_samples --gen_start_scale 1 {run.model_flags()}"
    if not run.overwrite and is_trained(run.model, manifest, seed_asked="manualSeed" in run.given):
        print(f"trained model already exist: {run.model}")
        print(next_command)
        return

    weights = run.start_weights()
    started = time.monotonic()
    print(f"random seed: {run.seed}")
    progress = Progress(plan, run.net, run.training.niter, run.device)
    with records.Recorder(run.model, manifest, progress, args.tensorboard) as recorder:
        for pyramid in train(image, plan, run.net, run.training, run.rng, recorder.watch, weights):
            recorder.keep(pyramid)
    samples = layout.random_samples(run.out, run.name, start_scale=0)
    records.write_samples(samples, manipulate.sample(pyramid, run.rng, args.num_samples))
    memory = peak_memory(run.device) / 2**30
    print(f"trained in {duration(time.monotonic() - started)}, peak memory {memory:.1f} GB: {run.model}")
    print(f"{args.num_samples} random samples: {samples}, all on one sheet: {samples / 'grid.png'}")
    print(next_command)


if __name__ == "__main__":
    main()
