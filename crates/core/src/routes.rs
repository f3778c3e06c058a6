//! Routes of a stack to nginx text.
