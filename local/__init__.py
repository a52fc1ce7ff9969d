"""Code for a developer's machine only: the local AWS, the test double of the service, and the demo."""
