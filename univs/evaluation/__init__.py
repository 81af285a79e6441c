"""Evaluators: from the results of models to the numbers and files of the benchmarks."""
