# docker build -t singan . && docker run --rm -v "$PWD/pictures:/art/Input/Images" -v "$PWD/Output:/art/Output" singan \
#     sample --input_name photo.jpg --mode random_samples --method instant
# The studio, at http://127.0.0.1:7860: docker run --rm -p 127.0.0.1:7860:7860 singan studio --host 0.0.0.0
# With a GPU: docker build --build-arg DEVICE=gpu .., and docker run --gpus all ..
# All that pip installs is pinned by hash; `make lock` renews the pins.
FROM python:3.12-slim@sha256:57cd7c3a7a273101a6485ba99423ee568157882804b1124b4dd04266317710de

ARG DEVICE=cpu
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
COPY docker /opt/locks
RUN pip install --no-cache-dir --require-hashes -r /opt/locks/requirements.lock -r "/opt/locks/$DEVICE.lock"
COPY . /opt/singan
RUN pip install --no-cache-dir --no-deps --no-build-isolation /opt/singan && \
    useradd --create-home artist && mkdir /art && chown artist /art
USER artist
WORKDIR /art
COPY --chown=artist Input Input
COPY --chown=artist Models Models
EXPOSE 7860
ENTRYPOINT ["singan"]
CMD ["-h"]
