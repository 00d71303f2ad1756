//! Mutation testing of the shaders: one text of a composed kernel is replaced, and the op that runs the kernel must not
//! conform any more. A mutation that survives shows an error that the conformance tests would not notice.

pub mod ops;
pub mod tables;

use std::{
    cell::OnceCell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use wgpu_norm::{
    Norm, Outputs, Planner, Slot, Strategy, Tuning,
    host::Gpu,
    testing::{Data, compare_outputs, worst_error},
};

use crate::common::{gpu, run};

/// The ops that notice a mutation, the replaced text, its replacement, and the error that the replacement makes.
pub type Mutation = (&'static [fn() -> Case], &'static str, &'static str, &'static str);

/// An op by one method, with its tensors and the reference's outputs.
pub struct Case {
    what: &'static str,
    op: Box<dyn Norm>,
    strategy: Strategy,
    data: Data,
    truth: OnceCell<Outputs<f64>>,
}

impl Case {
    /// An op on random tensors. Names tell the cases of a table apart.
    pub fn new(what: &'static str, op: impl Norm + 'static, strategy: Strategy) -> Self {
        let data = Data::random(&op, 2);
        Self { what, op: Box::new(op), strategy, data, truth: OnceCell::new() }
    }

    /// The same op with other values in one tensor.
    pub fn with(self, slot: Slot, values: Vec<f32>) -> Self {
        Self { data: self.data.with(slot, values), ..self }
    }

    fn truth(&self) -> &Outputs<f64> {
        self.truth.get_or_init(|| self.op.reference(&self.data.tensors()).expect(self.what))
    }

    fn title(&self) -> String {
        let method = match self.strategy {
            Strategy::Forced(method) => method.to_string(),
            _ => "the inferred method".to_owned(),
        };
        format!("{} {:?} by {method} ({})", self.op.name(), self.op.shape(), self.what)
    }

    /// The largest error in parts of its bound, or how the outputs differ from the reference's.
    fn outcome(&self, planner: Planner) -> Result<f64, String> {
        let device = Gpu::from_parts(gpu().queue().clone(), planner.tuning(table(&[])));
        let ran = catch_unwind(AssertUnwindSafe(|| run(&device, &*self.op, &self.data.tensors(), self.strategy)));
        // A panic tells of a write outside of a tensor. WGSL that does not compile notices nothing.
        let outputs = match ran {
            Ok(outputs) => outputs.unwrap_or_else(|e| panic!("{}: {e}", self.title())),
            Err(panic) => {
                return Err(panic.downcast_ref::<String>().map_or("a panic", String::as_str).to_owned());
            }
        };
        let specs = self.op.tensors().expect(self.what);
        match (compare_outputs(&*self.op, &outputs, self.truth()), worst_error(&specs, &outputs, self.truth())) {
            (Ok(()), error) => error,
            (Err(_), Ok(error)) if error > 1.0 => Err(format!("{error:.3e} times the bound")),
            (Err(e), _) => Err(e),
        }
    }

    /// The outcome, and how often the kernel has the text that is replaced.
    fn mutated(&self, kernel: &str, from: &'static str, to: &'static str) -> (Result<f64, String>, usize) {
        let found = Arc::new(AtomicUsize::new(0));
        let (count, part) = (found.clone(), format!("// ==== kernels/{kernel}.wgsl"));
        let planner = Planner::with_source_edit(gpu().device(), move |source| {
            if !source.contains(&part) {
                return source;
            }
            count.fetch_add(source.matches(from).count(), Relaxed);
            source.replace(from, to)
        });
        (self.outcome(planner), found.load(Relaxed))
    }
}

/// Runs every mutation of a kernel, prints how far off each op is, and returns the mutations that nothing noticed.
pub fn survivors(kernel: &str, mutations: &[Mutation]) -> Vec<String> {
    let mut cases: BTreeMap<&str, Case> = BTreeMap::new();
    let mut survivors = Vec::new();
    for &(ops, from, to, error) in mutations {
        for make in ops {
            let case = make();
            let title = case.title();
            let case = cases.entry(case.what).or_insert_with(|| {
                let off =
                    case.outcome(Planner::new(gpu().device())).unwrap_or_else(|e| panic!("{title}, as it is: {e}"));
                println!("{title}, as it is: {off:.3} of the bound");
                case
            });
            assert_eq!(case.title(), title, "two cases have one name");
            let (outcome, found) = case.mutated(kernel, from, to);
            let name = format!("{kernel}: {from:?} -> {to:?}, {title}");
            match outcome {
                _ if found == 0 => survivors.push(format!("{name}: there is no such text")),
                Ok(off) => survivors.push(format!("{name}: conforms, {off:.3} of the bound. {error}")),
                Err(off) => println!("{name}: {off}. {error}"),
            }
        }
    }
    survivors
}

/// Panics unless each op of each mutation stops conforming.
pub fn assert_noticed(kernel: &str, mutations: &[Mutation]) {
    let survivors = survivors(kernel, mutations);
    assert!(survivors.is_empty(), "nothing noticed\n{}", survivors.join("\n"));
}

/// Numbers that choose the same kernels on every device: the mutations replace their texts.
const TABLE: &str = "
    lane_packs = 4
    lane_packs_many_rows = 32
    subgroup_packs = 34
    workgroup_packs = 8
    register_packs = 128
    vec4x2 = 0
    native_f16 = 0
    workgroups = 16
    rows_per_team = 16
    grad_rows_per_team = 32
    min_grad_rows_per_team = 2
    merge_by_workgroup = 1
    stream_rows = 2
    few_rows = 16
    long_row = 4096
    packs_per_lane = 32
    adjacent_lanes = 4";

/// The table with other values for some of its numbers.
pub fn table(numbers: &[(&str, u32)]) -> Tuning {
    let mut table: Tuning = TABLE.parse().expect("a table");
    for &(name, value) in numbers {
        table.set(name, value).expect("a number of the table");
    }
    table
}
