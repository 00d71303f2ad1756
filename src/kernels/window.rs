//! Local response norm, in either direction. `kernels/slide.wgsl` holds a window in registers. `kernels/window.wgsl`
//! loads the window for each element.

use super::{
    Code, ParamField, flag, params,
    roles::{self, Buffers},
};
use crate::{
    layout::VectorLayout,
    slot::Slot,
    tensor::{Access, DType},
    wgsl::{Variant, kernel, storage::Storage},
};

/// Channels of a window that registers hold, at most.
pub(crate) const HELD_WINDOW: u32 = 11;
/// Channels of a wider window that a lane loads at a time.
const BLOCK: u32 = 4;

/// The key of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    pub layout: VectorLayout,
    /// The type of the input and its gradient.
    pub input: DType,
    /// The type of the output and its gradient.
    pub output: DType,
    /// Channels before and after the lane's own, of a window in registers.
    pub held: Option<[u32; 2]>,
    pub backward: bool,
}

params! {
    /// `kernels/window.wgsl`
    WindowParams {
        packs: u32,
        channels: u32,
        stride: u32,
        before: u32,
        after: u32,
        alpha: f32,
        beta: f32,
        k: f32,
        zero: u32,
    }
}
params! {
    /// `kernels/slide.wgsl`
    SlideParams { lanes: u32, channels: u32, stride: u32, splits: u32, steps: u32, alpha: f32, beta: f32, k: f32, }
}

impl Code for Window {
    fn block(&self) -> u32 {
        self.held.map_or(BLOCK, |[before, after]| before + 1 + after)
    }

    fn storage(&self) -> Vec<Storage> {
        let mut buffers = Buffers::new(self.layout);
        buffers.tensor(Slot::Input, Access::Read, Some(self.input));
        if self.backward {
            buffers.tensor(Slot::GradOutput, Access::Read, Some(self.output));
            buffers.tensor(Slot::GradInput, Access::Write, Some(self.input));
        } else {
            buffers.tensor(Slot::Output, Access::Write, Some(self.output));
        }
        buffers.list()
    }

    fn uniform(&self) -> &'static [ParamField] {
        if self.held.is_some() { SlideParams::FIELDS } else { WindowParams::FIELDS }
    }

    fn constants(&self) -> Vec<String> {
        self.held.map_or(Vec::new(), |[before, after]| {
            let reach = |name: &str, channels: u32| format!("const {name}: u32 = {channels}u;");
            vec![reach("BEFORE", before), reach("AFTER", after), flag("BACKWARD", self.backward)]
        })
    }

    fn file(&self) -> (&'static str, &'static str) {
        if self.held.is_some() { kernel!("slide") } else { kernel!("window") }
    }

    fn variants(&self) -> Vec<Variant> {
        let mut variants = roles::pack(self.layout);
        variants.push(roles::real(self.layout));
        variants.push(if self.backward { "backward" } else { "forward" });
        variants
    }
}
