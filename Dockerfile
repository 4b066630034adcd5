# Two images that answer the same requests:
#
#   docker build --tag shortlist-serving .                        TF Serving, linked with ScaNN
#   docker build --tag shortlist-embedded --target embedded .     this project's own server
#
#   docker run -p 8500:8500 -p 8501:8501 -v "$PWD/runs/ml100k/published:/models/candidates" IMAGE
#
# Both take TF Serving's flags after the image's name.

FROM python:3.11-slim-bookworm AS embedded
# OpenMP is what ScaNN links against and the slim image lacks.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 10001 shortlist
WORKDIR /app
COPY requirements-serve.lock .
RUN pip install --no-cache-dir --require-hashes --requirement requirements-serve.lock
COPY setup.py pyproject.toml ./
COPY serving serving
RUN pip install --no-cache-dir --no-deps --no-build-isolation .
USER shortlist
EXPOSE 8500 8501
# The exec form: SIGTERM reaches the server, which then drains.
ENTRYPOINT ["python", "-m", "serving", "serve", "--port=8500", "--rest_api_port=8501", \
            "--model_name=candidates", "--model_base_path=/models/candidates"]

FROM google/tf-serving-scann:2.11.0 AS tf-serving
COPY serving/models.config /etc/shortlist/models.config
COPY serving/monitoring.config /etc/shortlist/monitoring.config
EXPOSE 8500 8501
# Not the image's own entry point: its shell does not hand SIGTERM on.
ENTRYPOINT ["tensorflow_model_server", "--port=8500", "--rest_api_port=8501", \
            "--model_config_file=/etc/shortlist/models.config", \
            "--monitoring_config_file=/etc/shortlist/monitoring.config"]
