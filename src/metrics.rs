//! Counters and histograms of the process, in the Prometheus text format.
