"""How fast, in how much memory and how safely the product copies, beside others: `make bench`."""
