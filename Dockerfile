# docker build -t singan . && docker run --rm -v "$PWD/pictures:/art/Input/Images" -v "$PWD/Output:/art/Output" singan \
#     sample --input_name photo.jpg --mode random_samples --method denoise
# With a GPU: docker build --build-arg TORCH=https://download.pytorch.org/whl/cu126 .., and docker run --gpus all ..
FROM python:3.12-slim

ARG TORCH=https://download.pytorch.org/whl/cpu
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir torch torchvision --index-url "$TORCH"
COPY . /opt/singan
RUN pip install --no-cache-dir /opt/singan && useradd --create-home artist && mkdir /art && chown artist /art
USER artist
WORKDIR /art
COPY --chown=artist Input Input
ENTRYPOINT ["singan"]
CMD ["-h"]
