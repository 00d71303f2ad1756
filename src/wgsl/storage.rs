//! The storage buffers of kernels: their declarations, and the functions that load and store elements.

use std::fmt::Write as _;

use crate::{
    layout::VectorLayout,
    tensor::{Access, DType, Slot},
};

/// A storage buffer of a shader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Buffer {
    /// A tensor of the op. `statistics` is scratch if the op has no such tensor.
    Tensor(Slot),
    /// Scratch: partial statistics, one for each team that shares a row or channel.
    Partials,
    /// Scratch: partial sums of gradients.
    PartialSums,
    /// Scratch: the coefficients of the statistics' gradient, for the gradient of the input.
    Coefficients,
}

/// The binding number of the uniform.
pub(crate) const UNIFORM: u32 = 0;

impl Buffer {
    /// The name of the variable in the shaders.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tensor(slot) => slot.name(),
            Self::Partials => "partials",
            Self::PartialSums => "partial_sums",
            Self::Coefficients => "coefficients",
        }
    }

    /// The binding number in group 0, the same in every shader.
    pub(crate) const fn binding(self) -> u32 {
        let scratch = UNIFORM + 1 + Slot::COUNT as u32;
        match self {
            Self::Tensor(slot) => UNIFORM + 1 + slot as u32,
            Self::Partials => scratch,
            Self::PartialSums => scratch + 1,
            Self::Coefficients => scratch + 2,
        }
    }
}

/// How a shader sees the elements of a storage buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Element {
    /// Floats of a storage type, in packs.
    Floats(DType, VectorLayout),
    /// Floats of a storage type, which a shader reads four at a time, from four indices.
    Gather(DType),
    /// A type that the shaders define.
    Raw(&'static str),
}

impl Element {
    /// The storage type, for floats.
    pub fn dtype(self) -> Option<DType> {
        match self {
            Self::Floats(dtype, _) | Self::Gather(dtype) => Some(dtype),
            Self::Raw(_) => None,
        }
    }
}

/// A storage buffer as a shader declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Storage {
    pub buffer: Buffer,
    pub access: Access,
    pub element: Element,
}

/// The declaration of a storage buffer. For floats, also the functions that load and store them, which hide their type.
pub(super) fn declare(storage: &Storage, shared: bool) -> String {
    let Storage { buffer, access, element } = *storage;
    let (name, binding) = (buffer.name(), buffer.binding());
    let reads = access != Access::Write;
    let writes = access != Access::Read;
    let mode = if writes || shared { "read_write" } else { "read" };
    let (dtype, layout) = match element {
        Element::Raw(ty) => {
            return format!("@group(0) @binding({binding}) var<storage, {mode}> {name}: array<{ty}>;\n");
        }
        Element::Gather(dtype) => return declare_gathered(name, binding, mode, dtype),
        Element::Floats(dtype, layout) => (dtype, layout),
    };
    let index = if matches!(layout, VectorLayout::HalfUnaligned | VectorLayout::Vec4x2) { "at: At" } else { "i: u32" };
    let (value, word, load, store) = match (dtype, layout) {
        (DType::F32 | DType::U32, VectorLayout::Scalar) => {
            ("f32", "f32", format!("return {name}[i];"), format!("{name}[i] = v;"))
        }
        (DType::F32 | DType::U32, VectorLayout::Vec4 | VectorLayout::Perpendicular) => {
            ("vec4<f32>", "vec4<f32>", format!("return {name}[i];"), format!("{name}[i] = v;"))
        }
        (DType::F32 | DType::U32, VectorLayout::Vec4x2) => {
            ("vec4<f32>", "vec4<f32>", format!("return {name}[number_of(at)];"), format!("{name}[number_of(at)] = v;"))
        }
        // Both packs load the same 16 bytes. Compilers load them once: no store comes between, and `second` is a
        // constant.
        (half, VectorLayout::Vec4x2) => (
            "vec4<f32>",
            "vec4<u32>",
            format!("let words = {name}[at.pair]; return decode4_{half}(select(words.xy, words.zw, at.second));"),
            format!(
                "let words = encode4_{half}(v); \
                 if at.second {{ {name}[at.pair] = vec4<u32>(first_of_{name}, words); }} else {{ first_of_{name} = words; }}"
            ),
        ),
        (half, VectorLayout::Vec4 | VectorLayout::Perpendicular) => (
            "vec4<f32>",
            "vec2<u32>",
            format!("return decode4_{half}({name}[i]);"),
            format!("{name}[i] = encode4_{half}(v);"),
        ),
        (half, VectorLayout::Scalar) if writes => (
            "f32",
            "atomic<u32>",
            format!("return decode1_{half}(atomicLoad(&{name}[i / 2u]), i);"),
            // Another invocation may own the other half of the word, and change it between load and exclusive or. This
            // half stays.
            format!(
                "let shift = 16u * (i & 1u); let was = (atomicLoad(&{name}[i / 2u]) >> shift) & 0xffffu; \
                 atomicXor(&{name}[i / 2u], (was ^ encode1_{half}(v)) << shift);"
            ),
        ),
        (half, VectorLayout::Scalar) => {
            ("f32", "u32", format!("return decode1_{half}({name}[i / 2u], i);"), String::new())
        }
        // All tensors of such rows are f16 or bf16.
        (half, VectorLayout::HalfUnaligned) if writes => (
            "vec4<f32>",
            "atomic<u32>",
            format!(
                "return decode4_{half}(vec2<u32>(atomicLoad(&{name}[at.words.x]), atomicLoad(&{name}[at.words.y])));"
            ),
            format!("let words = encode4_{half}(v); {} {}", masked_store(name, "x"), masked_store(name, "y")),
        ),
        (half, VectorLayout::HalfUnaligned) => (
            "vec4<f32>",
            "u32",
            format!("return decode4_{half}(vec2<u32>({name}[at.words.x], {name}[at.words.y]));"),
            String::new(),
        ),
    };
    let mut text = format!("@group(0) @binding({binding}) var<storage, {mode}> {name}: array<{word}>;\n");
    if reads {
        let _ = writeln!(text, "fn load_{name}({index}) -> {value} {{ {load} }}");
    }
    if writes && layout == VectorLayout::Vec4x2 && word == "vec4<u32>" {
        // A lane stores the two packs of a pair in sequence: the first waits for the second.
        let _ = writeln!(text, "var<private> first_of_{name}: vec2<u32>;");
    }
    if writes {
        let _ = writeln!(text, "fn store_{name}({index}, v: {value}) {{ {store} }}");
    }
    text
}

/// Stores a word, or the half that the mask `at.bits` has. A concurrent invocation may store the other half.
fn masked_store(name: &str, c: &str) -> String {
    format!(
        "if at.bits.{c} == 0xffffffffu {{ atomicStore(&{name}[at.words.{c}], words.{c}); }} \
         else if at.bits.{c} != 0u {{ atomicAnd(&{name}[at.words.{c}], ~at.bits.{c}); \
         atomicOr(&{name}[at.words.{c}], words.{c} & at.bits.{c}); }}"
    )
}

/// A table from which a lane reads four elements, at four indices. Each index is the one before it, or the next.
fn declare_gathered(name: &str, binding: u32, mode: &str, dtype: DType) -> String {
    let (word, load) = match dtype {
        DType::F32 | DType::U32 => ("f32", format!("return vec4<f32>({});", four(|c| format!("{name}[i.{c}]")))),
        // The four lie in at most three words. The third element is in the word of the second, or in that of the last.
        half => {
            let words = format!(
                "let at = i / 2u; let second = {name}[at.y]; let last = {name}[at.w]; \
                 let words = vec4<u32>({name}[at.x], second, select(last, second, at.z == at.y), last);"
            );
            let shift = "(vec4<u32>(16u) * (i & vec4<u32>(1u)))";
            ("u32", format!("{words} return values_{half}((words >> {shift}) & vec4<u32>(0xffffu));"))
        }
    };
    format!(
        "@group(0) @binding({binding}) var<storage, {mode}> {name}: array<{word}>;\n\
         fn load_{name}(i: vec4<u32>) -> vec4<f32> {{ {load} }}\n"
    )
}

/// An expression for each component of a vec4.
fn four(expression: impl Fn(char) -> String) -> String {
    ['x', 'y', 'z', 'w'].map(expression).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_in_pairs_are_16_bytes_and_the_first_waits_for_the_second() {
        let declared = |dtype, access| {
            declare(
                &Storage {
                    buffer: Buffer::Tensor(Slot::Output),
                    access,
                    element: Element::Floats(dtype, VectorLayout::Vec4x2),
                },
                false,
            )
        };
        let half = declared(DType::BF16, Access::ReadWrite);
        for part in ["array<vec4<u32>>", "var<private> first_of_output", "fn load_output(at: At)", "output[at.pair]"] {
            assert!(half.contains(part), "{part}: {half}");
        }
        assert!(!declared(DType::F16, Access::Read).contains("private"));
        let float = declared(DType::F32, Access::ReadWrite);
        assert!(float.contains("output[number_of(at)] = v;") && !float.contains("private"), "{float}");
    }

    #[test]
    fn a_tensor_of_halves_that_is_written_one_by_one_is_atomic() {
        let output = |layout| Storage {
            buffer: Buffer::Tensor(Slot::Output),
            access: Access::Write,
            element: Element::Floats(DType::F16, layout),
        };
        assert!(declare(&output(VectorLayout::Scalar), false).contains("array<atomic<u32>>"));
        assert!(declare(&output(VectorLayout::Vec4), false).contains("array<vec2<u32>>"));
        assert!(!declare(&output(VectorLayout::Vec4), false).contains("load_output"));
    }
}
