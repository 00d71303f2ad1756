//! Elements with given statistics, in either direction: `kernels/apply.wgsl`.

use super::{
    Code, ParamField, params,
    roles::{self, Buffers, Early, Epilogue, Forward, GradInput, Gradient, Lookups},
};
use crate::{
    layout::VectorLayout,
    slot::Slot,
    tensor::{Access, DType},
    types::Scale,
    wgsl::{
        Variant, kernel,
        storage::{Buffer, Storage},
    },
};

/// Packs that a lane loads before it stores.
const BLOCK: u32 = 4;

/// A direction, with the tensors that it reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    Forward(Forward),
    Backward {
        gradient: Gradient,
        /// The scale, if the statistics depend on the input.
        through_statistics: Option<Scale>,
        grad_input: Option<GradInput>,
        grad_residual: Option<DType>,
    },
}

/// The key of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Apply {
    pub layout: VectorLayout,
    pub lookups: Lookups,
    pub direction: Direction,
}

params! {
    /// `kernels/apply.wgsl`
    ApplyParams {
        blocks: u32,
        steps: u32,
        packs: u32,
        splits: u32,
        first_row: u32,
        block_rows: u32,
        step_rows: u32,
        column_step: u32,
        eps: f32,
        weight_offset: f32,
        stats_stride: u32,
        stat_rows: u32,
        stat_quotient: u32,
        stat_remainder: u32,
        stat_run: u32,
        affine_rows: u32,
        affine_quotient: u32,
        affine_remainder: u32,
        affine_run: u32,
        zero: u32,
    }
}

impl Code for Apply {
    fn scale(&self) -> Option<Scale> {
        match self.direction {
            Direction::Forward(_) => None,
            Direction::Backward { through_statistics, .. } => through_statistics,
        }
    }

    fn epilogue(&self) -> Option<Epilogue> {
        match self.direction {
            Direction::Forward(forward) => forward.epilogue,
            Direction::Backward { .. } => None,
        }
    }

    fn block(&self) -> u32 {
        BLOCK
    }

    fn storage(&self) -> Vec<Storage> {
        let mut buffers = Buffers::new(self.layout);
        let lookups = self.lookups;
        match self.direction {
            Direction::Forward(forward) => {
                forward.bind(&mut buffers, lookups.affine, Early::default());
                lookups.bind_statistics(&mut buffers, Access::Read);
            }
            Direction::Backward { gradient, through_statistics, grad_input, grad_residual } => {
                gradient.bind(&mut buffers, lookups.affine);
                lookups.bind_statistics(&mut buffers, Access::Read);
                if through_statistics.is_some() {
                    buffers.table(Buffer::Tensor(Slot::Coefficients), Access::Read, Some(DType::F32), lookups.stats);
                }
                if let Some(grad_input) = grad_input {
                    grad_input.bind(&mut buffers);
                }
                buffers.tensor(Slot::GradResidual, Access::Write, grad_residual);
            }
        }
        buffers.list()
    }

    fn uniform(&self) -> &'static [ParamField] {
        ApplyParams::FIELDS
    }

    fn fields_of_call(&self) -> &'static [(&'static str, u32)] {
        &[
            ("blocks", 0),
            ("steps", 0),
            ("splits", 1),
            ("block_rows", 0),
            ("stats_stride", 0),
            ("stat_rows", 1),
            ("affine_rows", 1),
        ]
    }

    fn constants(&self) -> Vec<String> {
        self.lookups.constants()
    }

    fn file(&self) -> (&'static str, &'static str) {
        kernel!("apply")
    }

    fn variants(&self) -> Vec<Variant> {
        let mut variants = roles::pack(self.layout);
        variants.extend([roles::real(self.layout)]);
        variants.extend(self.lookups.variants(self.layout));
        match self.direction {
            Direction::Forward(forward) => {
                variants.extend(forward.variants(self.layout));
                variants.push("forward");
            }
            Direction::Backward { gradient, through_statistics, grad_input, grad_residual } => {
                variants.extend(gradient.variants());
                let taken = through_statistics.is_some();
                variants.push(if taken { "taken_statistics" } else { "given_statistics" });
                variants.extend(GradInput::variants(grad_input));
                variants.push(match grad_residual {
                    None => "no_grad_residual",
                    Some(_) => "grad_residual",
                });
                variants.push("backward");
            }
        }
        variants
    }
}
