//! Integration tests, in one binary: linking V8 takes long.

mod callgraph;
mod collect;
mod guard;
mod oracle;
mod random_nodes;
mod real_program;
