"""What stands between a published model and its callers: the signature, a server and a client."""
