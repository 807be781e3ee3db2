//! RTP media threads: one call's port, the worker loop, the rings to the speech threads.
