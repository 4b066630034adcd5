"""What stands between a published model and its callers: the signature, a server and a client.

signature     names, dtypes and shapes, for the exporter, the server's tests and the client
client        asks a server over gRPC, without TensorFlow; messages: what goes over the wire
server/       answers, as TF Serving does
__main__      `serve` runs the server, `ask` the client; titles: names for people to read
"""
