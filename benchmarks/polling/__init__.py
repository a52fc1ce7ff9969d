"""What waiting costs and how late it notices, by a virtual clock."""
