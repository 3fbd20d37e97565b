"""Long runs and measurements of the whole product; results are kept in `results/`."""
