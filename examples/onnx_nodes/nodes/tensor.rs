//! Tensors of ONNX files and of .npy files.

use std::path::Path;

use half::{bf16, f16};
use ndarray::ArrayD;
use rten_onnx::onnx::{DataLocation, DataType, TensorProto};
use wgpu_norm::DType;

/// A tensor of floats, with the type that its file has for it.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub dtype: DType,
    pub values: Vec<f32>,
}

/// The storage type of an ONNX type, if this crate has it.
pub fn dtype(data_type: Option<DataType>) -> Result<DType, String> {
    match data_type {
        Some(DataType::FLOAT) => Ok(DType::F32),
        Some(DataType::FLOAT16) => Ok(DType::F16),
        Some(DataType::BFLOAT16) => Ok(DType::BF16),
        Some(other) => Err(format!("its type is {other}, expected FLOAT, FLOAT16 or BFLOAT16")),
        None => Err("it has no type".into()),
    }
}

impl Tensor {
    pub fn from_proto(proto: &TensorProto) -> Result<Self, String> {
        if proto.data_location == Some(DataLocation::EXTERNAL) || !proto.external_data.is_empty() {
            return Err("its values are in another file, expected all of them in the model".into());
        }
        let dtype = dtype(proto.data_type)?;
        let dims: Option<Vec<usize>> = proto.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
        let shape = dims.ok_or_else(|| format!("its shape is {:?}", proto.dims))?;
        let values = match &proto.raw_data {
            Some(raw) => little_endian(dtype, &raw.borrow()),
            None if dtype == DType::F32 => proto.float_data.clone(),
            // Half-precision values that are not raw lie in this field, as their bits.
            None => {
                let bits = proto.int32_data.iter().map(|&bits| u16::try_from(bits).ok());
                let values: Option<_> = bits.map(|bits| Some(from_bits(dtype, bits?))).collect();
                values.ok_or("it has bits beyond those of its type")?
            }
        };
        let count = shape.iter().try_fold(1usize, |count, &dim| count.checked_mul(dim));
        if count != Some(values.len()) {
            return Err(format!("it has {} values, its shape is {shape:?}", values.len()));
        }
        Ok(Self { shape, dtype, values })
    }

    /// A .npy file of f32, for a tensor that the model has in this type.
    pub fn from_npy(path: &Path, dtype: DType) -> Result<Self, String> {
        let array: ArrayD<f32> =
            ndarray_npy::read_npy(path).map_err(|e| format!("{}: {e}; expected a .npy file of f32", path.display()))?;
        let values = array.iter().map(|&value| dtype.round(value)).collect();
        Ok(Self { shape: array.shape().to_vec(), dtype, values })
    }

    /// The shape as one of `rank` axes, with axes of 1 before its own: how `NumPy` broadcasts.
    pub fn aligned(&self, rank: usize) -> Result<Vec<usize>, String> {
        let missing = rank.checked_sub(self.shape.len());
        let missing = missing.ok_or_else(|| format!("its shape is {:?}, expected at most {rank} axes", self.shape))?;
        Ok([vec![1; missing], self.shape.clone()].concat())
    }

    /// The strides that broadcast it to a shape.
    pub fn broadcast_strides(&self, shape: &[usize]) -> Result<Vec<usize>, String> {
        let dims = self.aligned(shape.len())?;
        let mut stride = 1;
        let mut strides = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            if dims[axis] != 1 && dims[axis] != shape[axis] {
                return Err(format!("its shape is {:?}, which does not broadcast to {shape:?}", self.shape));
            }
            strides[axis] = if dims[axis] == 1 && shape[axis] != 1 { 0 } else { stride };
            stride *= dims[axis];
        }
        Ok(strides)
    }

    /// Its values, broadcast to a shape.
    pub fn broadcast(&self, shape: &[usize]) -> Result<Vec<f32>, String> {
        let strides = self.broadcast_strides(shape)?;
        let element = |mut index: usize| {
            let mut offset = 0;
            for (&dim, &stride) in shape.iter().zip(&strides).rev() {
                offset += index % dim * stride;
                index /= dim;
            }
            self.values[offset]
        };
        Ok((0..shape.iter().product()).map(element).collect())
    }
}

fn from_bits(dtype: DType, bits: u16) -> f32 {
    if dtype == DType::F16 { f16::from_bits(bits).to_f32() } else { bf16::from_bits(bits).to_f32() }
}

/// Raw values; of an incomplete one at the end nothing.
fn little_endian(dtype: DType, bytes: &[u8]) -> Vec<f32> {
    if dtype == DType::F32 {
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    } else {
        bytes.chunks_exact(2).map(|b| from_bits(dtype, u16::from_le_bytes([b[0], b[1]]))).collect()
    }
}
