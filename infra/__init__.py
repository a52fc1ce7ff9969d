"""The deployed resources and their permissions, one construct per capability."""
