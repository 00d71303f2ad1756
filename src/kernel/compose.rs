//! From a key to WGSL: a prelude of constants, one part for each role, and the kernel with its unrolled blocks expanded.

use std::fmt::Write as _;

use crate::{
    kernel::key::{KernelKey, ParamsBy, Saved, Source, StatsBy, Tracking, Width},
    lower::Team,
};

macro_rules! shader {
    ($path:literal) => {
        ($path, include_str!(concat!("../../shaders/", $path, ".wgsl")))
    };
}

type Part = (&'static str, &'static str);

/// The complete shader of a key.
pub(crate) fn compose(key: &KernelKey) -> String {
    let mut source = format!("const WORKGROUP_SIZE: u32 = {}u;\n", key.workgroup_size());
    for line in prelude(key) {
        source.push_str(&line);
        source.push('\n');
    }
    for (name, text) in parts(key) {
        // Writing to a String does not fail.
        let _ = write!(source, "\n// ==== {name}.wgsl\n{}", unroll(text, key.unroll()));
    }
    source
}

/// What differs between kernels made of the same parts.
fn prelude(key: &KernelKey) -> Vec<String> {
    let block = format!("const BLOCK: u32 = {}u;", key.unroll());
    let centered = |on: bool| format!("const CENTERED: bool = {on};");
    let params_by = |by: ParamsBy| {
        let param = if by == ParamsBy::Channel { "f32" } else { "Pack" };
        format!("alias Param = {param};\nconst PARAMS_BY_CHANNEL: bool = {};", by == ParamsBy::Channel)
    };
    match *key {
        KernelKey::Row { centered: on, params, .. } => vec![centered(on), params_by(params)],
        KernelKey::Moments { .. } | KernelKey::MomentsColumns { .. } => vec![block],
        KernelKey::Finalize { centered: on, .. } => vec![centered(on)],
        KernelKey::Apply { stats, params, .. } => vec![
            block,
            format!("alias Stat = {};", if stats == StatsBy::Position { "Pack" } else { "f32" }),
            format!("const STATS_BY_POSITION: bool = {};", stats == StatsBy::Position),
            format!("const STATS_BY_BLOCK: bool = {};", stats == StatsBy::Block),
            params_by(params),
        ],
        KernelKey::Count => Vec::new(),
    }
}

/// One part for each role that the kernel has, and the kernel.
fn parts(key: &KernelKey) -> Vec<Part> {
    let pack = |width| match width {
        Width::X1 => shader!("parts/pack/x1"),
        Width::X4 => shader!("parts/pack/x4"),
    };
    let real = |width| match width {
        Width::X1 => shader!("parts/real/x1"),
        Width::X4 => shader!("parts/real/x4"),
    };
    let two_sum = shader!("parts/real/two_sum");
    let team = |team| match team {
        Team::Lane => shader!("parts/team/lane"),
        Team::Subgroup => shader!("parts/team/subgroup"),
        Team::Workgroup => shader!("parts/team/workgroup"),
        Team::WorkgroupSubgroups => shader!("parts/team/workgroup_subgroups"),
    };
    let weight = |on| if on { shader!("parts/weight/f32") } else { shader!("parts/weight/none") };
    let bias = |on| if on { shader!("parts/bias/f32") } else { shader!("parts/bias/none") };
    let saved = |saved| match saved {
        Saved::None => shader!("parts/saved/none"),
        Saved::Rstd => shader!("parts/saved/rstd"),
        Saved::MeanRstd => shader!("parts/saved/mean_rstd"),
    };
    let input = shader!("parts/input/f32");
    let output = shader!("parts/output/f32");
    match *key {
        KernelKey::Row { team: t, width, affine, saved: s, .. } => vec![
            pack(width),
            input,
            output,
            team(t),
            weight(affine.weight),
            bias(affine.bias),
            saved(s),
            shader!("kernels/row"),
        ],
        KernelKey::Moments { team: t, width, .. } => {
            vec![pack(width), real(Width::X1), two_sum, input, team(t), shader!("kernels/moments")]
        }
        KernelKey::MomentsColumns { width } => {
            vec![pack(width), real(width), two_sum, input, shader!("kernels/moments_columns")]
        }
        KernelKey::Finalize { saved: s, tracking, .. } => vec![
            real(Width::X1),
            two_sum,
            saved(s),
            match tracking {
                Tracking::None => shader!("parts/running/none"),
                Tracking::Fixed => shader!("parts/running/fixed"),
                Tracking::Cumulative => shader!("parts/running/cumulative"),
            },
            shader!("kernels/finalize"),
        ],
        KernelKey::Apply { width, source, affine, .. } => vec![
            pack(width),
            real(width),
            input,
            output,
            match source {
                Source::Batch => shader!("parts/statistics/batch"),
                Source::Running => shader!("parts/statistics/running"),
            },
            weight(affine.weight),
            bias(affine.bias),
            shader!("kernels/apply"),
        ],
        KernelKey::Count => vec![shader!("kernels/count")],
    }
}

/// Repeats each block between `// unroll K < COUNT` and `// end`, with `x_K` as `x_0`, `x_1`, .. and `K` as `0u`, `1u`, ..
///
/// Registers get names of their own because some Vulkan drivers keep a local array that is indexed in a loop in memory.
fn unroll(text: &str, count: u32) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !line.trim().starts_with("// unroll K < ") {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "// end").collect();
        for k in 0..count {
            for line in &block {
                expand(&mut out, line, k);
            }
        }
    }
    out
}

/// Appends a line of an unrolled block for one `k`.
fn expand(out: &mut String, line: &str, k: u32) {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = line;
    while let Some(start) = rest.find(in_word) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        let _ = match word.strip_suffix("_K") {
            Some(name) => write!(out, "{name}_{k}"),
            None if word == "K" => write!(out, "{k}u"),
            None => write!(out, "{word}"),
        };
        rest = &rest[end..];
    }
    out.push_str(rest);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unroll_names_registers_and_leaves_other_words_alone() {
        let text = "a;\n  // unroll K < REGISTERS\n  let x_K = f(K, BLOCK_K, K2, x_KK) + K;\n  // end\nb;\n";
        assert_eq!(
            unroll(text, 2),
            "a;\n  let x_0 = f(0u, BLOCK_0, K2, x_KK) + 0u;\n  let x_1 = f(1u, BLOCK_1, K2, x_KK) + 1u;\nb;\n"
        );
    }

    #[test]
    fn the_key_decides_the_source() {
        let all = KernelKey::all();
        let sources: std::collections::HashSet<String> = all.iter().map(compose).collect();
        assert_eq!(sources.len(), all.len(), "two keys with one source: the key is not minimal");
    }
}
