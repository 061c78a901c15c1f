"""The laboratory that records the sample captures: real peers in network namespaces, never on a real network."""
