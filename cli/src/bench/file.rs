//! Cases of a JSON file.

use std::path::Path;

use serde::Deserialize;
use wgpu_norm::{BatchNorm, DType, GroupNorm, InstanceNorm, LayerNorm, Norm, RmsNorm, RunningStats, TensorSpec};

use super::cases::Ops;

/// A case as a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    op: OpName,
    #[serde(default)]
    direction: Direction,
    #[serde(default)]
    dtype: TypeName,
    shape: Vec<usize>,
    groups: Option<usize>,
    /// Adds a residual before a norm of rows, and writes the sum too.
    #[serde(default)]
    residual: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum OpName {
    LayerNorm,
    RmsNorm,
    BatchNormInference,
    BatchNormTraining,
    GroupNorm,
    InstanceNorm,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
enum Direction {
    #[default]
    Forward,
    Backward,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
enum TypeName {
    #[default]
    F32,
    F16,
    BF16,
}

impl Entry {
    fn op(&self) -> Result<Box<dyn Norm>, String> {
        macro_rules! directed {
            ($op:expr) => {{
                let op = $op.dtype(match self.dtype {
                    TypeName::F32 => DType::F32,
                    TypeName::F16 => DType::F16,
                    TypeName::BF16 => DType::BF16,
                });
                match self.direction {
                    Direction::Forward => Box::new(op) as Box<dyn Norm>,
                    Direction::Backward => Box::new(op.backward()),
                }
            }};
        }
        let shape = &self.shape[..];
        let last = shape.len().saturating_sub(1);
        let add = self.residual;
        let op = match (self.op, self.groups) {
            (OpName::GroupNorm, Some(groups)) => directed!(GroupNorm::new(shape, groups)),
            (OpName::GroupNorm, None) => return Err("group_norm needs groups".into()),
            (_, Some(_)) => return Err("groups are for group_norm".into()),
            (OpName::LayerNorm, None) => directed!(LayerNorm::new(shape, last..).residual(add).residual_output(add)),
            (OpName::RmsNorm, None) => directed!(RmsNorm::new(shape, last..).residual(add).residual_output(add)),
            _ if add => return Err("a residual is for layer_norm and rms_norm".into()),
            (OpName::BatchNormInference, None) => directed!(BatchNorm::inference(shape)),
            (OpName::BatchNormTraining, None) => {
                directed!(BatchNorm::training(shape).running_stats(RunningStats::PYTORCH))
            }
            (OpName::InstanceNorm, None) => directed!(InstanceNorm::new(shape)),
        };
        match op.tensors() {
            Ok(tensors) if tensors.iter().any(TensorSpec::is_empty) => Err("an empty tensor".into()),
            Ok(_) => Ok(op),
            Err(e) => Err(e.to_string()),
        }
    }
}

/// The cases of a JSON list.
pub fn read(path: &Path) -> Result<Ops, String> {
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| at(&e))?;
    let entries: Vec<Entry> = serde_json::from_str(&text).map_err(|e| at(&e))?;
    entries.iter().enumerate().map(|(i, entry)| entry.op().map_err(|e| at(&format!("case {}: {e}", i + 1)))).collect()
}
