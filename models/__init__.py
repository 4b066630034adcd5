"""The mathematics: features, towers, losses, metrics, and the retriever that answers a request."""
