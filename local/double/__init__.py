"""The double of Application Discovery Service: it answers as the service does, and says what it was asked."""
