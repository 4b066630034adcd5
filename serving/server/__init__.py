"""The embedded model server: TF Serving's contract on this project's own TensorFlow and ScaNN."""
