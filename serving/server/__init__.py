"""The embedded model server: TF Serving's contract on this project's own TensorFlow and ScaNN.

    flags --> app: puts together, starts, drains
               |
    listeners, in_flight: how each port opens and drains
    grpc_services, health                   rest (routes, json_requests, json_responses)
               |                              |
               +------------ predictor -------+        metadata
                     |               |                    |
                   runner         manager: which version does a request mean, how is each one
                     |               |
                     |             model: one model; versions on disk -> loaded, freed
                     |               |
                     +-----------> served: one version, its state and its users
                                     |
                                  saved_model: signatures and a session    warmup: load + replay

A request runs through `predict` (what is asked, how it is answered) and `tensors`; whatever goes
wrong is a `statuses.StatusError`. One event loop owns all state; threads only load, run and free.
"""
