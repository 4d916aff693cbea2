//! The draft: what the pure rooms make of an incident's facts, ready for any format.
