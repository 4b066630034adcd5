"""What measures speed, side by side with peers: `make bench-beam`. Nothing here is installed."""
