"""Shortlist's distribution: four packages, and one extra for each place they run in.

`install_requires` is what a Beam worker needs beside the Beam that its image holds, and stays
light: every worker installs it. The extras add what the driver and trainer (`train`), the model
server (`serve`), logs in object stores (`s3`, `gcs`) and a developer (`dev`) need.
`requirements.lock` pins all of it but `gcs`, whose forty packages nobody else needs;
`requirements-serve.lock` pins what the serving image needs. `make lock` remakes both.
"""

from setuptools import find_packages, setup

TENSORFLOW = ["tensorflow==2.20.0", "scann==1.4.2"]

TRAIN = [
    *TENSORFLOW,
    "apache-beam==2.77.0",
    "tf-keras==2.20.1",
    "tensorflow-recommenders==0.7.7",
    "tensorboard>=2.20",
]

SERVE = [
    *TENSORFLOW,
    "tensorflow-serving-api==2.20.0",
    "grpcio>=1.74",
    "grpcio-health-checking>=1.74",
    "starlette>=1.0",
    "uvicorn>=0.40",
]

S3 = ["apache-beam[aws]==2.77.0"]
GCS = ["apache-beam[gcp]==2.77.0"]

DEV = [
    "duckdb>=2.0",
    "httpx>=0.28",
    "flask>=3.1",
    "flask-cors>=6.0",
    "hypothesis>=6.140",
    "import-linter>=2.5",
    "moto[s3]>=5.2",
    "polars>=2.1",
    "pyright[nodejs]==1.1.414",
    "pytest>=9.0",
    "pytest-timeout>=2.4",
    "ruff==0.17.6",
    "uv>=0.9",
]

setup(
    name="shortlist",
    version="0.1.0",
    description="From interaction logs to a served shortlist of candidates.",
    license="Apache-2.0",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=["pipeline*", "components*", "models*", "serving*"]),
    install_requires=[
        "google-crc32c>=1.7",
        "numba>=0.62",
        "numpy>=2.0",
        "pyarrow>=21",
        "pydantic>=2.11",
        "rich>=14.0",
        "typer>=0.20",
    ],
    extras_require={"train": TRAIN, "serve": SERVE, "s3": S3, "gcs": GCS, "dev": DEV},
)
