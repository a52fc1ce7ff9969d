"""The cost and the detection delay of polling, simulated with a virtual clock."""
