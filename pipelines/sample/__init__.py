"""The synthetic sample city: `write_sample` makes its raw files, at any size, and the truth planted in them."""

from pipelines.sample.write import SampleReport, write_sample

__all__ = ["SampleReport", "write_sample"]
