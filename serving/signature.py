"""Names, types and shapes at the gRPC edge: the one place, for the exporter, the client and tests.

Inputs are batch-major, so that a server may batch requests; strings are UTF-8; `""` is padding.

    serving_default   query_id [batch]
                      -> candidate_ids, scores [batch, k of the run]
    retrieve          query_id [batch], k [batch], exclude [batch, any]
                      -> candidate_ids, scores [batch, width], count, exact [batch]
    embed_query       query_id [batch]
                      -> embedding [batch, dim]

`width` is the largest k of the batch, at most the catalogue. Row `i` of `retrieve` holds `count[i]`
candidates, best first, then `""` with score -inf.
"""

from __future__ import annotations

SERVING_DEFAULT = "serving_default"
RETRIEVE = "retrieve"
EMBED_QUERY = "embed_query"

QUERY_ID = "query_id"
"""string [batch]: the query; an unknown one is answered as a query without a past."""
K = "k"
"""int32 [batch]: how many candidates a row asks for; fewer come back where fewer are eligible."""
EXCLUDE = "exclude"
"""string [batch, any]: candidates that must not come back; unknown ids and `""` are ignored."""

CANDIDATE_IDS = "candidate_ids"
"""string [batch, k], best first, `""` beyond `count`."""
SCORES = "scores"
"""float32 [batch, k], descending, -inf beyond `count`."""
COUNT = "count"
"""int32 [batch]: how many candidates the row holds."""
EXACT = "exact"
"""bool [batch]: whether the row is the exact top k of what was eligible."""
EMBEDDING = "embedding"
"""float32 [batch, dim]."""

PADDING_ID = ""
