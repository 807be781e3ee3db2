//! RTP and RTCP: packets, order, telephone events, source locking, statistics. Pure: bytes and times in, decisions out.
