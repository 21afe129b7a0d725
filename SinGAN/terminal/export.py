"""Write a trained model as one file that makes images from noise of any size, without this project.

singan export Output/TrainedModels/rocket/scale_factor=0.750000,alpha=10 --to onnx
"""

from collections.abc import Sequence

from SinGAN.options.option import as_path
from SinGAN.terminal.flags import Parser
from SinGAN.terminal.messages import say
from SinGAN.terminal.script import script

SUFFIXES = {"torchscript": ".pt", "onnx": ".onnx"}


def run(argv: Sequence[str]) -> None:
    """Write the file that ``argv`` asks for."""
    parser = Parser((__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=as_path, help="folder of a trained model")
    parser.add_argument("--to", choices=SUFFIXES, required=True, help="kind of file")
    parser.add_argument("--file", type=as_path, help="where to write it [model.pt or model.onnx in the model's folder]")
    args = parser.parse_args(argv)
    import torch  # only now: -h and a typo take no seconds

    from SinGAN import export
    from SinGAN.saved_models.model_folder import ModelFolder

    if not args.model.is_dir():
        raise FileNotFoundError(f"no folder {args.model}: name that of a trained model, below Output/TrainedModels")
    model = ModelFolder.open(args.model)
    kind = model.manifest.kind_of_model
    if kind.unexportable:
        raise ValueError(f"a model of `train_mode` {kind.name} can't be exported: {kind.unexportable}")
    if model.manifest.layers:
        raise ValueError("a model of data or with maps can't be exported: its images are resized without rounding")
    pyramid = model.load(torch.device("cpu"), task=None)
    export.check(pyramid)
    file = args.file or args.model / f"model{SUFFIXES[args.to]}"
    say(f"writing {file}: a large model takes a minute or two")
    export.WRITERS[args.to](pyramid, file)
    say(
        f"{file}: noise maps of shapes {export.noise_shapes(pyramid)} make an image of the training picture's size; "
        "maps that are all enlarged by the same ratio make larger ones"
    )


main = script(run)
