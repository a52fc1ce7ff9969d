"""What is deployed, who may touch what: one construct a capability."""
