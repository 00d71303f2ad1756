//! The storage buffers of kernels: their declarations, and the functions that load and store elements.

use std::sync::OnceLock;

use super::link::{Item, items};
use crate::{
    layout::VectorLayout,
    slot::Slot,
    tensor::{Access, DType},
};

/// A storage buffer of a shader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Buffer {
    /// A tensor of the op. `statistics` and `coefficients` are scratch if the op has no such tensor.
    Tensor(Slot),
    /// Scratch: partial statistics, one for each team that shares a row or channel.
    Partials,
    /// Scratch: partial sums of gradients.
    PartialSums,
}

/// The binding number of the uniform, in group 0.
pub const UNIFORM: u32 = 0;
/// The binding number of the uniform with the places of tensors, in group 0.
pub const PLACES: u32 = UNIFORM + 1;
/// The binding number of the caller's uniform with what differs between calls, in group 0.
pub const CALL: u32 = PLACES + 1;
/// The binding number of the first storage buffer.
const STORAGE: u32 = CALL + 1;

impl Buffer {
    /// The name of the variable in the shaders.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tensor(slot) => slot.name(),
            Self::Partials => "partials",
            Self::PartialSums => "partial_sums",
        }
    }

    /// The binding number in group 0, the same in every shader.
    pub(crate) const fn binding(self) -> u32 {
        // No shader has a variable of this slot.
        let scratch = STORAGE + Slot::Scratch as u32;
        match self {
            // Those that only few shaders have, behind all that others bind.
            Self::Tensor(slot) if slot as u32 > Slot::Scratch as u32 => {
                scratch + 2 + slot as u32 - Slot::EpilogueA as u32
            }
            Self::Tensor(slot) => STORAGE + slot as u32,
            Self::Partials => scratch,
            Self::PartialSums => scratch + 1,
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
    /// Floats of a storage type, each for a run of packs.
    Run(DType, VectorLayout),
    /// Four f32 that belong together.
    Vec4,
    /// Unsigned integers.
    Word,
    /// Unsigned integers, stored four at a time.
    FourWords,
    /// Unsigned integers, of which lanes share the bytes.
    Bytes,
    /// Scratch of a type that the shaders define.
    Raw(&'static str),
}

impl Element {
    /// The storage type, for floats.
    pub fn dtype(self) -> Option<DType> {
        match self {
            Self::Floats(dtype, _) | Self::Gather(dtype) | Self::Run(dtype, _) => Some(dtype),
            Self::Vec4 => Some(DType::F32),
            Self::Word | Self::FourWords | Self::Bytes => Some(DType::U32),
            Self::Raw(_) => None,
        }
    }
}

/// Which tensors have an element for each run of neighbours, such as one for each channel of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Runs {
    pub residual: bool,
    pub gate: bool,
}

/// How a shader finds tensors in its buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Addressing {
    /// All storage buffers are `read_write`, as all parts of one buffer need the same usage.
    pub shared: bool,
    /// Tensors begin anywhere in their bindings.
    pub offsets: bool,
    /// Elementwise tensors have strides of their own.
    pub strides: bool,
    /// The elementwise tensors that have an element for each run of neighbours.
    pub runs: Runs,
    /// Rows lie where an index says, if it is in range.
    pub indexed: bool,
}

impl Addressing {
    /// Whether the shader has the uniform [`PLACES`].
    pub fn has_places(self) -> bool {
        self.offsets || self.strides
    }

    /// The declaration of the uniform, if there is one.
    pub fn declare(self) -> String {
        let text = format!("@group(0) @binding({PLACES}) var<uniform> places: Places;\n");
        if self.has_places() { text } else { String::new() }
    }
}

/// A storage buffer as a shader declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Storage {
    pub buffer: Buffer,
    pub access: Access,
    pub element: Element,
}

impl Storage {
    /// The variant of `shaders/tensors.wgsl` that it is; `None` for a type of the shaders' own.
    fn variant(&self) -> Option<&'static str> {
        let writes = self.access != Access::Read;
        let is_half = self.element.dtype().is_some_and(|dtype| dtype.size() == 2);
        Some(match self.element {
            Element::Raw(_) => return None,
            Element::Vec4 => "vec4_f32",
            Element::Word => "word",
            Element::FourWords => "four_words",
            Element::Bytes => "bytes",
            Element::Gather(_) if is_half => "gather_half",
            Element::Gather(_) => "gather_f32",
            Element::Run(..) if is_half => "scalar_half_read",
            Element::Run(..) => "scalar_f32",
            Element::Floats(_, layout) => match (layout, is_half, writes) {
                (VectorLayout::Scalar, false, _) => "scalar_f32",
                (VectorLayout::Scalar, true, false) => "scalar_half_read",
                (VectorLayout::Scalar, true, true) => "scalar_half",
                (VectorLayout::Vec4 | VectorLayout::Perpendicular, false, _) => "vec4_f32",
                (VectorLayout::Vec4 | VectorLayout::Perpendicular, true, _) => "vec4_half",
                (VectorLayout::Vec4x2, false, _) => "vec4x2_f32",
                (VectorLayout::Vec4x2, true, _) => "vec4x2_half",
                // All tensors of such rows are of half precision.
                (VectorLayout::HalfUnaligned, _, false) => "unaligned_half_read",
                (VectorLayout::HalfUnaligned, _, true) => "unaligned_half",
                (VectorLayout::Partners, false, _) => "partners_f32",
                (VectorLayout::Partners, true, _) => "partners_half",
                (VectorLayout::Singles, false, _) => "singles_f32",
                (VectorLayout::Singles, true, false) => "singles_half_read",
                (VectorLayout::Singles, true, true) => "singles_half",
            },
        })
    }

    /// The declaration in a shader: the variable, and for tensors the functions that load and store them.
    pub fn declare(&self, addressing: Addressing) -> String {
        let Self { buffer, access, element } = *self;
        let (name, binding) = (buffer.name(), buffer.binding());
        let mode = if access != Access::Read || addressing.shared { "read_write" } else { "read" };
        let Some(variant) = self.variant() else {
            let Element::Raw(ty) = element else { return String::new() };
            return format!("@group(0) @binding({binding}) var<storage, {mode}> {name}: array<{ty}>;\n");
        };
        let mut text = String::new();
        for item in templates().iter().filter(|item| item.variant == Some(variant)) {
            let is_unused = (item.name == "load_tensor" && access == Access::Write)
                || (item.name != "tensor" && item.name != "load_tensor" && access == Access::Read);
            if !is_unused {
                text.push_str(item.text);
            }
        }
        let place = self.place(addressing);
        for function in ["load", "store"] {
            // A shader calls the function that adds the place, and this one the function of the binding.
            let bound = if place.is_some() { format!("{function}_bound") } else { function.to_owned() };
            text = text.replace(&format!("fn {function}_tensor__{variant}"), &format!("fn {bound}_{name}"));
        }
        let dtype = element.dtype().unwrap_or_default();
        text = text
            .replace(&format!("tensor__{variant}"), name)
            .replace("_half(", &format!("_{dtype}("))
            .replace("@binding(0) var<storage, read_write>", &format!("@binding({binding}) var<storage, {mode}>"));
        let Some((at, index)) = place else { return text };
        let value = self.value();
        let loaded = format!("load_bound_{name}({index})");
        let loaded = if matches!(element, Element::Run(..)) { format!("Pack({loaded})") } else { loaded };
        let load = format!("\nfn load_{name}({at}) -> {value} {{\n    return {loaded};\n}}\n");
        let stored = format!("store_bound_{name}({index}, v);");
        let stored = if addressing.indexed && matches!(buffer, Buffer::Tensor(slot) if slot.is_elementwise()) {
            format!("if at.is_there {{\n        {stored}\n    }}")
        } else {
            stored
        };
        let store = format!("\nfn store_{name}({at}, v: {value}) {{\n    {stored}\n}}\n");
        match access {
            Access::Read => text + &load,
            Access::Write => text + &store,
            Access::ReadWrite => text + &load + &store,
        }
    }

    /// How the functions of a tensor find the index in its binding: their argument, and the index. `None`: the argument
    /// is the index.
    fn place(&self, addressing: Addressing) -> Option<(&'static str, String)> {
        let Buffer::Tensor(slot) = self.buffer else { return None };
        let name = slot.name();
        if addressing.strides && slot.is_elementwise() {
            // The place of its row has the offset. That of a run counts all of its packs.
            let is_run = matches!(self.element, Element::Run(..));
            return Some((
                "at: At",
                if is_run { format!("at.{name} / places.{name}.w") } else { format!("at.{name}") },
            ));
        }
        let offset = format!("places.{name}.x");
        addressing.offsets.then(|| match self.element {
            Element::Gather(_) | Element::Floats(_, VectorLayout::Singles) => {
                ("i: vec4<u32>", format!("vec4<u32>({offset}) + i"))
            }
            Element::Floats(_, VectorLayout::Partners) => ("i: vec2<u32>", format!("vec2<u32>({offset}) + i")),
            Element::Floats(_, VectorLayout::Vec4x2) => ("at: At", format!("At({offset} + at.pair, at.second)")),
            Element::Floats(_, VectorLayout::HalfUnaligned) => {
                ("at: At", format!("At(vec2<u32>({offset}) + at.words, at.bits, at.in_row, at.inside)"))
            }
            _ => ("i: u32", format!("{offset} + i")),
        })
    }

    /// The type of what the functions of a tensor load and store.
    fn value(&self) -> &'static str {
        match self.element {
            Element::Floats(_, VectorLayout::Scalar) => "f32",
            Element::Run(..) => "Pack",
            Element::Floats(..) | Element::Gather(_) | Element::Vec4 => "vec4<f32>",
            Element::FourWords => "vec4<u32>",
            Element::Bytes => "vec2<u32>",
            Element::Word | Element::Raw(_) => "u32",
        }
    }

    /// Elements that one step of the tensor's index counts.
    pub fn unit(&self) -> u32 {
        match self.element {
            // An index of such rows counts words.
            Element::Floats(_, VectorLayout::HalfUnaligned) => 2,
            Element::Floats(_, layout) => layout.unit(),
            Element::Vec4 | Element::FourWords => 4,
            Element::Gather(_) | Element::Run(..) | Element::Word | Element::Bytes | Element::Raw(_) => 1,
        }
    }

    /// Elements of a row that the shader loads at once.
    pub fn pack(&self) -> u32 {
        match self.element {
            Element::Floats(_, layout) | Element::Run(_, layout) => layout.elements(),
            _ => 1,
        }
    }
}

/// What all tensors are made from.
fn templates() -> &'static [Item<'static>] {
    static ITEMS: OnceLock<Vec<Item<'static>>> = OnceLock::new();
    ITEMS.get_or_init(|| items("tensors.wgsl", include_str!("../../shaders/tensors.wgsl")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(dtype: DType, layout: VectorLayout, access: Access) -> String {
        let element = Element::Floats(dtype, layout);
        Storage { buffer: Buffer::Tensor(Slot::Output), access, element }.declare(Addressing::default())
    }

    #[test]
    fn half_precision_in_vec4x2_is_16_bytes_and_the_first_waits_for_the_second() {
        let half = declared(DType::BF16, VectorLayout::Vec4x2, Access::ReadWrite);
        for part in ["array<vec4<u32>>", "var<private> first_of_output", "fn load_output(at: At)", "output[at.pair]"] {
            assert!(half.contains(part), "{part}: {half}");
        }
        assert!(!declared(DType::F16, VectorLayout::Vec4x2, Access::Read).contains("private"));
        let float = declared(DType::F32, VectorLayout::Vec4x2, Access::ReadWrite);
        assert!(float.contains("output[number_of(at)] = v;") && !float.contains("private"), "{float}");
    }

    #[test]
    fn a_tensor_of_half_precision_that_is_written_one_by_one_is_atomic() {
        let write = |layout| declared(DType::F16, layout, Access::Write);
        assert!(write(VectorLayout::Scalar).contains("array<atomic<u32>>"));
        assert!(write(VectorLayout::Vec4).contains("array<vec2<u32>>"));
        assert!(!write(VectorLayout::Vec4).contains("load_output"));
    }
}
