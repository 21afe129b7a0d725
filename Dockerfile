# docker build -t singan . && docker run --rm -v "$PWD/pictures:/art/Input/Images" -v "$PWD/Output:/art/Output" singan \
#     sample --input_name photo.jpg --mode random_samples --method instant
# The studio, at http://127.0.0.1:7860: docker run --rm -p 127.0.0.1:7860:7860 singan studio --host 0.0.0.0
# With a GPU: docker build --build-arg TORCH=https://download.pytorch.org/whl/cu126 .., and docker run --gpus all ..
FROM python:3.12-slim

ARG TORCH=https://download.pytorch.org/whl/cpu
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir torch torchvision --index-url "$TORCH"
COPY . /opt/singan
RUN pip install --no-cache-dir "/opt/singan[studio]" && useradd --create-home artist && mkdir /art && chown artist /art
USER artist
WORKDIR /art
COPY --chown=artist Input Input
COPY --chown=artist Models Models
EXPOSE 7860
ENTRYPOINT ["singan"]
CMD ["-h"]
