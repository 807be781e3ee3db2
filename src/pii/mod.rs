//! Personal data: masking, and a wrapper whose `Debug` is masked.
