//! The test telephone.
