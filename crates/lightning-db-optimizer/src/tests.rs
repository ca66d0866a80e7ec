//! What holds for several modules together.

mod decoders;
