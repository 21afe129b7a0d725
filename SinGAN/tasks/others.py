"""The commands that measure, compare, translate, export and serve, whose code is in other modules."""

from SinGAN.options.measures import EvaluationOptions, StudyOptions
from SinGAN.tasks.task import Task

TASKS = (
    Task(
        name="evaluate", row="measure a model's samples, or sets of pictures", module="SIFID.evaluate",
        options=EvaluationOptions, modes=("evaluate",), input_name="", folders=("Evaluation",),
    ),
    Task(
        name="study", row="train under several settings, and compare", module="SinGAN.studies.command",
        options=StudyOptions, modes=("study",), trains=True, folders=("Studies",),
    ),
    Task(name="sifid", row="SIFID between pictures", module="SIFID.sifid_score"),
    Task(name="translate", row="learn from pairs of pictures: train, test, draw", module="Pix2Pix.__main__"),
    Task(name="studio", row="a web page on this machine: paint, edit, train, look", module="SinGAN.studio.command"),
    Task(name="export", row="write a model as one TorchScript or ONNX file", module="SinGAN.terminal.export"),
)  # fmt: skip
