//! Any bytes are read as a file, or refused with a message.

use std::path::Path;

use wgpu_norm::Slot;

#[path = "../../../cli/src/failure.rs"]
mod failure;
#[path = "../../../cli/src/files.rs"]
mod files;
pub use files::Format;

/// As `batch-norm` asks for.
const WANTED: [Slot; 7] = [
    Slot::Input,
    Slot::Weight,
    Slot::Bias,
    Slot::RunningMean,
    Slot::RunningVar,
    Slot::RunningLow,
    Slot::NumBatchesTracked,
];

pub fn read(format: Format, bytes: &[u8]) {
    match files::Inputs::parse(format, Path::new("x"), bytes, &WANTED) {
        Ok(inputs) => drop(inputs.shape().to_vec()),
        Err(failure) => assert!(!failure.to_string().is_empty()),
    }
}
