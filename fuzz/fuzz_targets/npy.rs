//! Any bytes are read as a .npy file, or refused with a message.
#![no_main]
#![allow(dead_code, reason = "the program uses more of its module than this")]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wgpu_norm::Slot;

#[path = "../../examples/normalize/failure.rs"]
mod failure;
#[path = "../../examples/normalize/files.rs"]
mod files;

/// As `batch-norm` asks for.
const WANTED: [Slot; 6] =
    [Slot::Input, Slot::Weight, Slot::Bias, Slot::RunningMean, Slot::RunningVar, Slot::NumBatchesTracked];

fuzz_target!(|bytes: &[u8]| {
    match files::Inputs::parse(files::Format::Npy, Path::new("x"), bytes, &WANTED) {
        Ok(inputs) => drop(inputs.shape().to_vec()),
        Err(failure) => assert!(!failure.to_string().is_empty()),
    }
});
