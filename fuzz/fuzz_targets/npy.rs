//! Files in .npy.
#![no_main]
#![allow(dead_code, reason = "the program uses more of its module than this")]

#[path = "shared/read.rs"]
mod shared;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shared::read(shared::Format::Npy, bytes));
