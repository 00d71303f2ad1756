//! Nodes of ONNX models that normalize, on this crate's ops.

pub mod cases;
mod channels;
pub mod model;
pub mod node;
pub mod reader;
mod residual;
mod rows;
pub mod tensor;

use node::{Lowered, Node, Problem, Values};
use rten_onnx::onnx::NodeProto;

type Lowering = fn(&Node<'_>) -> Result<Lowered, Problem>;

/// What lowers a node of this domain and type; `None`: it does not normalize.
fn lowering(node: &NodeProto) -> Option<Lowering> {
    let standard = match node.domain.as_deref().unwrap_or_default() {
        "" | "ai.onnx" => true,
        "com.microsoft" => false,
        _ => return None,
    };
    Some(match (standard, node.op_type.as_deref()?) {
        (true, "LayerNormalization") => rows::layer_norm,
        // ONNX Runtime writes the second, its own, in the standard's domain.
        (true, "RMSNormalization") | (_, "SimplifiedLayerNormalization") => rows::rms_norm,
        (true, "LpNormalization") => rows::lp_normalize,
        (true, "MeanVarianceNormalization") => rows::mean_variance,
        (true, "BatchNormalization") => channels::batch_norm,
        (true, "InstanceNormalization") => channels::instance_norm,
        (true, "GroupNormalization") => channels::group_norm,
        (true, "LRN") => channels::local_response_norm,
        (false, "SkipLayerNormalization") => rows::skip_layer_norm,
        (false, "SkipSimplifiedLayerNormalization") => rows::skip_rms_norm,
        (false, "GroupNorm") => channels::runtime_group_norm,
        (false, "SkipGroupNorm") => channels::skip_group_norm,
        _ => return None,
    })
}

/// Whether the node normalizes.
pub fn normalizes(node: &NodeProto) -> bool {
    lowering(node).is_some()
}

/// The op of a node that normalizes.
pub fn lower(proto: &NodeProto, opset: i64, values: &Values) -> Result<Lowered, Problem> {
    let lower = lowering(proto).ok_or_else(|| Problem::refused("it does not normalize"))?;
    let node = Node::new(proto, opset, values);
    node.finish(lower(&node)?)
}
