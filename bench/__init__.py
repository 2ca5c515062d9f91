"""What the mesh costs: ratios within one run, beside peers that do the same with less around it."""
