"""What runs on a developer's machine only: the double of the service, its data, the local AWS, the demo."""
