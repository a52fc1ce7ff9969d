"""A test double of Application Discovery Service that also counts the requests it receives."""
