"""The steps of a run: each a frozen config and a function from typed artifacts to one artifact."""
